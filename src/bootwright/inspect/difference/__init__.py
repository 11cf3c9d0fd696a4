"""What differs between two artifacts, by meaning."""
