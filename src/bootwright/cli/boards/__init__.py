"""Boards: which are known, what is known of one, and a file for one that has none.

A board without a file is one that a kernel has a devicetree for; its goals are made of what the devicetree's
nodes are for.

\b
Examples:
  bootwright boards list
  bootwright boards list --kernel debian-7.3.4-4k
  bootwright boards show raspberrypi-5
  bootwright boards add rk3588s-nanopi-r6c.dtb
"""
