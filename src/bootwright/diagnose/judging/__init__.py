"""From what a boot has shown to findings and an outcome."""
