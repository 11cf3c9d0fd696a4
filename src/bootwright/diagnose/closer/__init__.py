"""A closer look at a log that is short enough to be kept: errors of devices, surroundings of reports.

Long logs (soak tests, boot loops) are read in one pass that keeps no text; these looks need the lines around.
"""
