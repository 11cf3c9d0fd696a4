"""Steps of probes by themselves: list them, make a C program of one.

\b
Examples:
  bootwright probe list
  bootwright probe export --call talos-1.12-etc-hosts -o etc-hosts.c
"""
