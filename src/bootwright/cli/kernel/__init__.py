"""Work on one kernel: where its errors come from.

\b
Examples:
  bootwright kernel trace debian-6.12.117-4k --call talos-1.12-etc-hosts
"""
