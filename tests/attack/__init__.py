"""Attacks on studies, each a script that anybody can run again."""
