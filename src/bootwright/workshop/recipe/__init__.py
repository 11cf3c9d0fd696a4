"""A distribution's own way to build its kernel: its files edited for another kernel, and what to run then."""
