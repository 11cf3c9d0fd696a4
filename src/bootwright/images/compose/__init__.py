"""Images composed from a recipe."""
