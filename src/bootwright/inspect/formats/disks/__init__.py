"""Disks, partitions and file systems."""
