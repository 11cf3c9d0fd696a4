"""Processes of ours: what ends them, and who of several may write."""
