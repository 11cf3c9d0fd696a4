"""One reader per format: bytes to facts. Readers state what is there and where; they never judge."""
