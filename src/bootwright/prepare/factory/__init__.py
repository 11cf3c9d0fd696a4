"""The schematic of an image factory: reading it, and the id that the factory gives it."""
