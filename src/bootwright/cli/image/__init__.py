"""Make, change and check disk images, without root."""
