"""The report as one HTML file: no network, no scripts, light and dark, narrow and wide."""

from __future__ import annotations

from importlib.resources import files

from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.running.investigation import Investigation
from bootwright.report import words
from bootwright.report.story import tell
from bootwright.report.story.names import cell_words


def page(investigation: Investigation, decision: Decision, *, generated_at: str) -> str:
    """The whole page. `generated_at` is shown as it is.

    Every text is made harmless by `story` and escaped by the template engine; nothing is marked safe but
    the style sheet, which is ours.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bootwright.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": words.count,
        "listed": words.listed,
        "capital": words.capital,
        "cell": cell_words,
        "parts": words.command_parts,
    }
    style = (files("bootwright.report") / "templates" / "style.css").read_text(encoding="utf-8")
    template = environment.get_template("page.html.j2")
    return template.render(
        story=tell(investigation, decision),
        generated_at=words.clean(generated_at, 60),
        style=Markup(style),  # noqa: S704 - a file of this package
    )
