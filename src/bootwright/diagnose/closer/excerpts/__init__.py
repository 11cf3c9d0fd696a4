"""What an excerpt of a log was cut out for."""
