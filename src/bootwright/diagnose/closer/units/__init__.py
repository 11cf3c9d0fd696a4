"""What the log says of units of systemd beyond what systemd does."""
