"""Images booted as they are, through their own boot loader."""
