"""Emulated machines: found, started, and recorded byte for byte."""
