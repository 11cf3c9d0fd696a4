"""Looking at upstream again and again: what is new since the last time, and what it makes possible."""
