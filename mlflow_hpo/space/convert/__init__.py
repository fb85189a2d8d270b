"""Spaces of other libraries, and of Python, as our own YAML."""
