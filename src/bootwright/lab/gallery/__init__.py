"""Boots that end in a known failure, to hold diagnosis against."""
