"""A boot with probes as a job of a laboratory, and the results that come back."""
