"""Console text to findings, each with the line that proves it."""
