"""File systems, partition tables, archives and UKIs written, without root."""
