"""Kernels in the making: patches, builds, the few that matter, where a history turned."""
