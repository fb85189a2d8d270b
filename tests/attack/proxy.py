"""An HTTP proxy in front of a real server, which may swallow answers: the client sees a closed connection."""

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")
IDS = re.compile(r"/(m-)?[0-9a-f]{32}|(?<=artifacts/artifacts/).*|(?<=logged-models/)[^/]+|/\d+(?=/|$)")


def kind_of(method: str, path: str) -> str:
    """What a request asks for, whatever it is about: its method, and its path without ids."""
    return f"{method} {IDS.sub('*', path.partition('?')[0])}"


class Proxy(ThreadingHTTPServer):
    """Hands requests on.

    Attributes:
        swallow: is asked for each request that was answered, by its kind; true: the client gets nothing.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, server: str, swallow: Callable[[str], bool], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream, self.swallow = urlsplit(server).netloc, swallow

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of the proxy's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _hand_on(self) -> None:
        assert isinstance(self.server, Proxy)
        body = self._body()
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=300)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in (*HOP, "host")}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if self.server.swallow(kind_of(self.command, self.path)):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _hand_on  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = list[bytes]()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, format: str, *arguments: object) -> None:
        """It is silent."""


@contextmanager
def proxied(server: str, swallow: Callable[[str], bool]) -> Iterator[str]:
    """A proxy in front of a server; gives its address."""
    proxy = Proxy(server, swallow)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy.address
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
