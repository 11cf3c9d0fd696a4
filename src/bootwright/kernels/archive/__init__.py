"""Debian-style archives: the index and its signature, downloads that resume, the addresses apt knows."""
