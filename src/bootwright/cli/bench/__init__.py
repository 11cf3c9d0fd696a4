"""Boot images on real boards, with labgrid or by hand, and keep what was seen."""
