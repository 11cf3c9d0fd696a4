"""The firmware stage of a Raspberry Pi: config.txt, parameters and overlays, and what is handed over."""
