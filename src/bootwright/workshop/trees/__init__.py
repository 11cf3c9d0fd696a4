"""Kernel source trees: a folder, a git reference, a tarball, a package; with patches, in one of their own."""
