"""What a boot loader would start: GRUB, extlinux, loader entries, unified kernel images, config.txt."""
