"""Configuration files, told apart by their names."""
