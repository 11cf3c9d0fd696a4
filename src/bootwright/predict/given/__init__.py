"""What the artifacts given to a check hold together."""
