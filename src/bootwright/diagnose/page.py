"""A diagnosis as one HTML file: nothing is loaded from elsewhere, everything from the log is escaped."""

from __future__ import annotations

from functools import cache
from importlib import resources

import jinja2

from bootwright.diagnose.model import SERIOUS, Boot, Diagnosis


def as_html(diagnosis: Diagnosis, *, title: str) -> str:
    """The page, for light and dark screens."""
    return _template().render(
        diagnosis=diagnosis,
        title=title,
        serious=SERIOUS,
        called=_called,
    )


def _called(boot: Boot, signature: str) -> str:
    """What a boot's finding of a signature is called, and the line that proves it."""
    finding = next((finding for finding in boot.findings if finding.signature == signature), None)
    if finding is None:
        return signature
    return f"{finding.title} (line {finding.lines[0].number})" if finding.lines else finding.title


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    text = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)
