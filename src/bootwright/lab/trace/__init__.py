"""Where in an unmodified kernel the errno of a system call comes from."""
