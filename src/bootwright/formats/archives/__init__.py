"""Archives and packages: ar, tar, cpio, Debian packages, initramfs, container images."""
