"""Kernel images, their configuration and symbols, modules, and the match tables of drivers."""
