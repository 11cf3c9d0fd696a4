"""`python -m bootwright`."""

from bootwright.cli.main import run

run()
