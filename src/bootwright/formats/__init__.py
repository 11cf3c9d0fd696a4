"""Readers: bytes to facts, one format a module. Readers state what is there and where; they never judge."""
