"""Executables: PE/COFF section tables, notes of ELF files."""
