"""Devicetrees as vendors ship them: list, fetch, look at.

\b
A source is a folder of one commit of a git repository, one file of data/devicetrees/ each. What was
fetched is used by plans whose cells ask for it, and by check --devicetrees NAME.

\b
Examples:
  bootwright devicetrees list
  bootwright devicetrees fetch raspberrypi-firmware
  bootwright devicetrees show raspberrypi-firmware
"""
