"""Talos nodes: an image before it is made, a node that comes up, a node that is upgraded."""
