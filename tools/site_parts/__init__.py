"""The parts of `make site`: npm packages, the archive of Python code, the folder of files."""
