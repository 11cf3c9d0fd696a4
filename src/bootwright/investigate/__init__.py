"""Observations to causes: aliases, the next cell, the plan runner and its store."""
