"""A space written as YAML; every fault is named with its line and path.

units: [32, 64, 128]                                  # a list is a choice
batch_size: 32                                        # a scalar is fixed
learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
width: {type: int, low: 32, high: 512, step: 32}
layers: [[50], [100, 50]]                             # an option may be a list
dropout: {type: float, low: 0, high: 0.5, step: 0.1}
optimizer:                                            # an option may carry hyperparameters
  - adam
  - sgd: {momentum: {type: float, low: 0.0, high: 0.99}}
"""

import posixpath
import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter, Scalar
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.space import Space

_RANGES: dict[str, type[Float] | type[Int]] = {"float": Float, "int": Int}
_NAME = re.compile(r"[\w\-./: ]{1,250}")  # what MLflow takes as the name of a param


def _is_path(name: str) -> bool:
    """Whether MLflow may file a param under it: no `..`, no `a//b`, not `/a`."""
    return posixpath.normpath(name) == name and name != "." and not name.startswith(("/", ".."))


_ANEW = (":bool", ":float", ":int", ":timestamp")  # of YAML 1.1, as PyYAML has them


class Loader(yaml.SafeLoader):
    """Safe, with YAML 1.2's numbers and booleans, and no dates.

    `1e-4` is a float and `010` is ten; `yes`, `no`, `on`, `off`, `16:9` and `2026-01-31` are words.
    Underscores may part the digits of a whole number, as in Python.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(_ANEW)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"([-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.nan)$"),
    list("-+0123456789."),
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"([-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"),
)


def _whole(loader: Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


Loader.add_constructor("tag:yaml.org,2002:int", _whole)


def load_space(path: str) -> tuple[Space, str]:
    """Read a space from a file.

    Returns:
        The space and the file's text.

    Raises:
        SpaceError: the file is missing or unreadable, or has faults (all are named).
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpaceError(f"space {path!r} cannot be read: {reason}") from None
    return parse_space(text, path), text


def parse_space(text: str, source: str) -> Space:
    """Read a space from YAML text; `source` names it in errors.

    Raises:
        SpaceError: one line for each fault, `SOURCE:LINE: PATH: what is wrong`.
    """
    try:
        loader = Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpaceError(f"{source}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SpaceError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return _parsed(loader, node, source)
    except RecursionError:
        raise SpaceError(f"{source}:1: an alias holds itself, or the space is too deep") from None


def _parsed(loader: "Loader", node: yaml.Node | None, source: str) -> Space:
    parser = _Parser(loader, source)
    space = parser.space(node, "") if node is not None else None
    if not parser.faults and space is None:
        parser.faults.append(f"{source}:1: the space is empty: name at least one hyperparameter")
    elif not parser.faults and space is not None and not any(space.labels()):
        parser.faults.append(f"{source}:1: nothing to search: every hyperparameter is fixed")
    if parser.faults or space is None:
        raise SpaceError("\n".join(parser.faults))
    return space


class _Parser:
    """Turns YAML nodes, which know their lines, into parameters, and collects the faults."""

    def __init__(self, loader: Loader, source: str) -> None:
        self.faults: list[str] = []
        self._loader = loader
        self._source = source

    def space(self, node: yaml.Node, path: str) -> Space | None:
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, path, "expected hyperparameters as `name: values`")
            return None
        if not node.value:
            self._fault(node, path, "the space is empty: name at least one hyperparameter")
            return None
        parameters: dict[str, Parameter] = {}
        taken: set[str] = set()
        for key, value in node.value:
            name = self._name(key, path)
            where = f"{path}.{name}" if path else name
            parameter = self._parameter(value, where)
            names = Space({name: parameter}).names() if parameter else {name}
            own = {name} if isinstance(parameter, Choice) and name in parameter.names() else set[str]()
            if twice := sorted((names & taken) | own):
                self._fault(key, where, f"{twice[0]!r} is defined twice where both would be active")
            taken |= names
            if parameter:
                parameters[name] = parameter
        return Space(parameters)

    def _name(self, node: yaml.Node, path: str) -> str:
        name = self._scalar(node)
        if not isinstance(name, str) or not _NAME.fullmatch(name) or not _is_path(name):
            self._fault(node, path, f"{name!r} is no name for a hyperparameter")
        return str(name)

    def _parameter(self, node: yaml.Node, path: str) -> Parameter | None:
        if isinstance(node, yaml.MappingNode):
            return self._range(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._choice(node, path)
        return self._fixed(node, path)

    def _range(self, node: yaml.MappingNode, path: str) -> Float | Int | None:
        lines: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self._scalar(key) if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(name, str):
                self._fault(key, path, "expected fields such as type, low and high")
                return None
            lines[name] = value
        fields = {key: self._scalar(value) for key, value in lines.items()}
        kind = fields.get("type")
        if kind not in _RANGES:
            got = f"type {kind!r}" if "type" in fields else "no type"
            self._fault(lines.get("type", node), path, f"{got}: expected type float or int, or a list")
            return None
        try:
            return _RANGES[str(kind)].model_validate(fields)
        except ValidationError as error:
            for fault in error.errors():
                field = str(fault["loc"][0]) if fault["loc"] else ""
                message = fault["msg"].removeprefix("Value error, ")
                got = "" if fault["type"] in ("missing", "value_error") else f", not {fault['input']!r}"
                where = f"{path}.{field}" if field else path
                self._fault(lines.get(field, node), where, message + got)
            return None

    def _choice(self, node: yaml.SequenceNode, path: str) -> Choice | None:
        if not node.value:
            self._fault(node, path, "a choice needs at least one option")
            return None
        options: list[Option] = []
        for i, item in enumerate(node.value):
            option = self._option(item, f"{path}[{i}]")
            if option is None:
                continue
            if Choice(tuple(options)).encode(option.value) is not None:
                self._fault(item, f"{path}[{i}]", f"option {option.value!r} is given twice")
            options.append(option)
        return Choice(tuple(options)) if options else None

    def _option(self, node: yaml.Node, path: str) -> Option | None:
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, path)
        if not isinstance(node, yaml.MappingNode):
            single = self._fixed(node, path)
            return Option(single.value) if single else None
        if len(node.value) != 1:
            self._fault(node, path, "an option with hyperparameters is written `option: {name: values}`")
            return None
        key, below = node.value[0]
        option = self._fixed(key, path)
        inner = self.space(below, f"{path}.{self._scalar(key)}")
        return Option(option.value, inner) if option and inner else None

    def _list(self, node: yaml.SequenceNode, path: str) -> Option | None:
        found = [self._fixed(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        return None if None in found else Option([f.value for f in found if f])

    def _fixed(self, node: yaml.Node, path: str) -> Fixed | None:
        value = self._scalar(node)
        if not isinstance(node, yaml.ScalarNode) or not isinstance(value, bool | int | float | str | None):
            self._fault(node, path, "expected a number, a word, true, false or null")
            return None
        if isinstance(value, float) and value - value != 0:
            self._fault(node, path, f"{value} is not a finite number")
            return None
        return Fixed(value)

    def _scalar(self, node: yaml.Node) -> Scalar:
        try:
            value: Scalar = self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, TypeError, ValueError, RecursionError):
            return f"<{node.tag}>"
        return value

    def _fault(self, node: yaml.Node, path: str, message: str) -> None:
        place = f"{path}: " if path else ""
        self.faults.append(f"{self._source}:{node.start_mark.line + 1}: {place}{message}")
