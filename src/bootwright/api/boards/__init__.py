"""Boards: those that are known, what is known of one, and a file for one that has none."""
