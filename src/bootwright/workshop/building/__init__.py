"""Kernels built from source: with make, out of tree, kept by what they were made of."""
