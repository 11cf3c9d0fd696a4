"""Signatures of kernel modules: certificates, ECDSA, and whether a signature fits."""
