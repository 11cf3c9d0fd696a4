"""From an image to a card that works on a board; and what was seen after the boot, and what it means."""
