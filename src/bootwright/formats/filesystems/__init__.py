"""File systems read without mounting: FAT, ext, XFS, squashfs, and directories of this machine."""
