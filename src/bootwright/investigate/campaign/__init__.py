"""A plan's tasks walked to its decision: what is done, what waits for whom, what people told."""
