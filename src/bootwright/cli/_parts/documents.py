"""What commands print for programs."""

from __future__ import annotations

import click


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    import json

    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
