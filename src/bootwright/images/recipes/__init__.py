"""Recipes: what an image is made of, one TOML file each, read strictly."""
