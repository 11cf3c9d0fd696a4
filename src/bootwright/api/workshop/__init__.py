"""Kernels in the making: patches, the few that matter, where a history turned."""
