"""Spaces of other libraries, and of Python, as our own YAML.

To add one: a file with `is_LIBRARY(value)` and `from_LIBRARY(name, value)`, and a line in python.FOREIGN.
"""
