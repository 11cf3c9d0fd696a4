"""A kernel's configuration: what is asked for, what the tree makes of it, and why something did not stick."""
