"""Console bytes to clean lines, and the lines to the patterns that match them."""
