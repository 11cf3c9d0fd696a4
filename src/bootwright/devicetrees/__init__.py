"""Devicetrees as other people ship them: where they are, fetched by commit, kept and held to their hashes."""
