"""Kernels in the making: patches, the few of them that matter, and where a history turned."""
