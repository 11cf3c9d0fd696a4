"""Boots on real boards."""
