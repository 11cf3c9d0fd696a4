"""What a node will be after an upgrade: its saved facts, its disks, and what the installer brings."""
