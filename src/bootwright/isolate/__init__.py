"""Which part of a bad image is to blame: mixtures of two images, tried until one difference is left."""
