"""What all tests share."""

import os
import signal

from hypothesis import settings

# No deadline for one example: on a shared machine it measures the neighbours.
settings.register_profile("bootwright", deadline=None)
settings.load_profile("bootwright")

# A shell starts jobs in the background with SIGINT ignored, and what the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Reports are cut to the terminal, whose size readline, which pytest loads, tells to processes it starts.
for _size in ("LINES", "COLUMNS"):
    os.environ.pop(_size, None)
