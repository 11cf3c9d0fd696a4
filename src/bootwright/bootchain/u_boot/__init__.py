"""What U-Boot starts: extlinux.conf and boot scripts, in the order of its devices."""
