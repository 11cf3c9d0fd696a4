"""Observations to causes: aliases, explanations, and the cell that would tell most."""
