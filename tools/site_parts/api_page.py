"""The reference of the Python interface, made of the signatures and docstrings of `bootwright.api`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from bootwright import api

TITLE = "The Python interface, every name"
_PLAIN = re.compile(r"(?<=[\s(\[|:>-])'([^']+)'(?=[\s,)\]|:]|$)")
"""A type in quotation marks: annotations are kept as text."""


def api_markdown() -> str:
    """Functions first, then what they return and raise; each with its signature and docstring."""
    exported = {name: getattr(api, name) for name in api.__all__}
    functions = {name: value for name, value in exported.items() if inspect.isfunction(value)}
    classes = {name: value for name, value in exported.items() if inspect.isclass(value)}
    lines = [
        f"# {TITLE}",
        "",
        "What `from bootwright import api` has. How to use it: [the Python interface](../api.md).",
        "",
        "## Functions",
        "",
    ]
    for name, function in sorted(functions.items()):
        lines += [f"### {name}", "", "```python", _signature(name, function), "```", "", _doc(function), ""]
    lines += ["## Answers and errors", ""]
    for name, answered in sorted(classes.items()):
        lines += [f"### {name}", "", _doc(answered), ""]
        members = list(_members(answered))
        lines += [*members, ""] if members else []
    return "\n".join(lines)


def _signature(name: str, function: object) -> str:
    """One parameter a line where it is long."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    text = _unquoted(f"{name}{signature}")
    if len(text) <= 90:
        return text
    shown: list[str] = []
    keyword = False
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not keyword:
            shown.append("    *,")
            keyword = True
        shown.append(f"    {_unquoted(str(parameter))},")
    back = _unquoted(inspect.formatannotation(signature.return_annotation))
    return "\n".join((f"{name}(", *shown, f") -> {back}"))


def _unquoted(text: str) -> str:
    return _PLAIN.sub(r"\1", f" {text} ").strip()


def _members(answered: type) -> Iterator[str]:
    """Public attributes and methods of a class's own, with the first sentence of what is said of each."""
    for name in sorted({*getattr(answered, "__annotations__", {}), *vars(answered)}):
        member = vars(answered).get(name)
        if name.startswith("_"):
            continue
        if isinstance(member, property) or inspect.isfunction(member):
            called = "()" if inspect.isfunction(member) else ""
            said = (inspect.getdoc(member) or "").partition("\n\n")[0].replace("\n", " ")
            yield f"- `{name}{called}`: {said}" if said else f"- `{name}{called}`"
        elif name in getattr(answered, "__annotations__", {}):
            yield f"- `{name}`: `{answered.__annotations__[name]}`"


def _doc(described: object) -> str:
    return inspect.getdoc(described) or ""
