"""What all tests share."""

import signal

from hypothesis import settings

# No deadline for one example: on a shared machine it measures the neighbours.
settings.register_profile("bootwright", deadline=None)
settings.load_profile("bootwright")

# A shell starts jobs in the background with SIGINT ignored, and what the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
