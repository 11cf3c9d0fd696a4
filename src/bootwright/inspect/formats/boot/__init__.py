"""Kernels, unified kernel images, initramfs and devicetrees."""
