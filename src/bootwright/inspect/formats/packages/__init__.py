"""Compressed files, packages and archives."""
