"""The loop that runs a plan: what to run next, run once, recorded, resumed."""
