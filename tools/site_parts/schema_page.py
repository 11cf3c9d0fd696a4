"""A JSON schema as a page: each property with its type and what it says, nested ones indented."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

_MOST_DEPTH = 12


def schema_page(schema: Mapping[str, Any], source: str) -> str:
    """The HTML of a schema whose file lies beside the page."""
    name = PurePosixPath(source).name
    parts = [f"<h1>{_text(name.removesuffix('.schema.json'))}</h1>"]
    parts.append(f"<p>{_text(schema.get('title', ''))}</p>")
    if schema.get("description"):
        parts.append(f"<p>{_text(schema['description'])}</p>")
    parts.append(f'<p><a href="{_text(name)}">The schema itself</a> (JSON Schema).</p>')
    parts += _object(schema, 0)
    for defined, below in (schema.get("$defs") or {}).items():
        parts.append(f'<h2 id="{_text(defined)}">{_text(defined)}</h2>')
        if below.get("description"):
            parts.append(f"<p>{_text(below['description'])}</p>")
        if not (below.get("properties") or below.get("items")):
            parts.append(f"<p>{_type(below)}</p>")
        parts += _object(below, 0)
    return "\n".join(parts)


def _object(schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    """The properties of an object, of an array's items, or of each choice, as nested lists."""
    if depth > _MOST_DEPTH:
        return
    properties = schema.get("properties") or {}
    if properties:
        required = set(schema.get("required") or ())
        yield '<ul class="schema">'
        for name, below in properties.items():
            below = below if isinstance(below, dict) else {}
            optional = "" if name in required else ' <span class="quiet">may be absent</span>'
            says = f": {_text(below['description'])}" if below.get("description") else ""
            yield f"<li><code>{_text(name)}</code> {_type(below)}{optional}{says}"
            yield from _object(below, depth + 1)
            yield "</li>"
        yield "</ul>"
    for below in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(below, dict):
            yield from _object(below, depth + 1)
    for choice in (*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ()), *(schema.get("allOf") or ())):
        if isinstance(choice, dict):
            yield from _object(choice, depth + 1)


def _type(schema: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f'<a href="#{_text(name)}">{_text(name)}</a>'
    if "const" in schema:
        return f"<code>{_text(schema['const'])}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{_text(value)}</code>" for value in schema["enum"])
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    kind = schema.get("type", "")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    words = " or ".join(kinds)
    items = schema.get("items")
    if "array" in kinds and isinstance(items, dict):
        return f"{_text(words)} of {_type(items) or 'anything'}"
    return _text(words)


def _text(value: object) -> str:
    return html.escape(str(value))
