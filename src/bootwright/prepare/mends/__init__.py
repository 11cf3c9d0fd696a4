"""Changes of an image that may make it work: where they come from, and which one is the smallest."""
