"""Kernels booted with probes that print KTAP."""
