"""Partition tables: MBR and GPT."""
