"""Where units run: this process, worker processes on this machine, or a cluster."""
