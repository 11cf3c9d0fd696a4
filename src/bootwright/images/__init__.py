"""Images composed, changed in one part, verified and flashed."""
