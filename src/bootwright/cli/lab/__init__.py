"""Emulated and real machines: what really happens on them."""
