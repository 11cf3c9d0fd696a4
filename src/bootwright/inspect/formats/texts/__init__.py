"""Configuration files, distinguished by their names."""
