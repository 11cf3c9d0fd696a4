"""What was seen of a prepared image on a board: told, judged, and kept beside it."""
