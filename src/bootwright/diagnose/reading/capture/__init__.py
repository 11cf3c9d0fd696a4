"""What the tools that captured a log did to its lines."""
