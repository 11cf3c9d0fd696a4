"""Both commands of the Makefile on a bare Debian system: `tools/bare-machine SUITE`."""
