"""Boards as data: what they are called, which devicetree they take, where each goal device is."""
