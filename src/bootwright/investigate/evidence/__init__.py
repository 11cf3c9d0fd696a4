"""What an image says about what a log makes suspect: the one thing that knows both sides."""
