"""Kernels tried for one goal: what the goal is, how often to boot, and what is kept of it."""
