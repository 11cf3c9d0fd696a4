"""Upstream repositories: what changed there that matters, and reports to them."""
