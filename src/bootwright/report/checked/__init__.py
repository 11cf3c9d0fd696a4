"""The verdicts of `check` as text, as a table of many, and for machines."""
