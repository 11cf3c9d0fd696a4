"""One part of an image changed, in a copy."""
