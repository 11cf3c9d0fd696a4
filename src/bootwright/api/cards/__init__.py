"""From an image to a card that works on a board, and what the board then shows."""
