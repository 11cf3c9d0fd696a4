"""Says before anything is flashed whether an image boots on a board, and what is to blame if not."""

__version__ = "0.1.0"
