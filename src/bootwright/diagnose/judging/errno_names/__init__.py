"""Error numbers and their names."""
