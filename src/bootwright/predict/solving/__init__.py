"""Which devicetree nodes become devices, and which of them bind."""
