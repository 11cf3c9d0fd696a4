"""Debian-style archives: the index and its signature, and the addresses apt knows."""
