"""Signatures of kernel modules: the keys a kernel trusts, and whether a module's signature fits."""
