"""Knowledge about drivers and hazards, and the conditions it is stated in."""
