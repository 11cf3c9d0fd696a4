"""What a log line means: signatures and stage markers, kept as data."""
