"""Many cells on many workers: a leased queue, and the engines that run what is leased."""
