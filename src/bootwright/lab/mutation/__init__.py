"""Machines with one thing broken, booted for real."""
