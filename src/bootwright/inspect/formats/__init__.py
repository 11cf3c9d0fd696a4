"""Formats that artifacts are described in: one module each, found by the registry."""
