"""Files of the cache that a start reads: of many rows, it opens the few it needs."""
