"""The fewest patches of a series with which a kernel still reaches its goal."""
