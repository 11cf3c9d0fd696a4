"""What really binds: recordings of every device of a booted machine."""
