"""What many kernels answer to the same probe, each booted once and kept."""
