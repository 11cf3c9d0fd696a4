"""Booting an image on a real board: power, card or network, serial console, and what came of it."""
