"""An image written to a card, read back and verified."""
