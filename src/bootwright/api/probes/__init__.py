"""Probes: their steps, exported as programs, asked of every kernel."""
