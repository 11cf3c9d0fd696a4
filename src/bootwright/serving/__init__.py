"""A folder of files as a web site on this machine alone: what `bootwright serve` runs."""
