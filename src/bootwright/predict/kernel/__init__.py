"""A kernel as the predictor sees it: its drivers and what they match."""
