"""What the versions of a release say of its image on a board, without a byte of it."""
