"""Kernel modules: what they say of themselves, their symbols, their index, and modprobe.d."""
