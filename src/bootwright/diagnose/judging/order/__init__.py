"""Which findings that fail nothing stand first, and which of them are one."""
