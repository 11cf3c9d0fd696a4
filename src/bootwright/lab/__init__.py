"""Boots: machines, the console recorded byte for byte, probes that print KTAP."""
