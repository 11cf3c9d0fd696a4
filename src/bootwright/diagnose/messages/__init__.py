"""The kernel's own messages: who speaks in a line, and how grave it is."""
