"""What follows: the working configuration, the refuted beliefs, the next step."""
