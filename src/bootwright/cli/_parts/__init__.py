"""What commands are made with."""
