"""How a kernel is started: its command line, its root device, what init needs."""
