"""Flattened devicetree blobs: read, overlaid, taken apart and written (devicetree specification 0.4)."""
