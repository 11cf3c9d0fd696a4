"""Plans and tables: reports, beliefs, factors, and what can be run."""
