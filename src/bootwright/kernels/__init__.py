"""Where kernels come from: the catalogue, verified downloads, versions that fit a short name."""
