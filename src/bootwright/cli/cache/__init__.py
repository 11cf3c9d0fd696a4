"""What is kept on this machine to save work: how much, and how to be rid of it."""
