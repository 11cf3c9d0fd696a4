"""A driver's probe function followed in its machine code: what it cannot do without."""
