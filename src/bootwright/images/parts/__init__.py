"""The parts an image is made of: kernels, initramfs, modules, boot loaders."""
