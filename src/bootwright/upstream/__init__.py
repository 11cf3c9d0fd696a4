"""What changed upstream."""
