"""Lines without their numbers: what can be told of a line by its shape alone."""
