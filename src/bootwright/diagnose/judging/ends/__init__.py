"""How a log may end before its boot does."""
