"""What all tests share."""

from hypothesis import settings

# No deadline for one example: on a shared machine it measures the neighbours.
settings.register_profile("bootwright", deadline=None)
settings.load_profile("bootwright")
