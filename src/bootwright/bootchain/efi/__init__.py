"""What UEFI firmware starts: EFI programs, systemd-boot entries, unified kernel images."""
