"""GRUB: its configuration's script, and what it starts."""
