"""Patches: read, compared between two trees, put in an order in which they apply."""
