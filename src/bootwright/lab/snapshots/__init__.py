"""Machines that wait where a probe begins: saved once, restored instead of booting again."""
