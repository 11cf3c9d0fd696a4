"""Kernel configurations: those that are given, and what is shown of them."""
