"""Reads studies back: the ranking, the summary in words, and the page with its plots. It writes nothing."""
