"""The sentences of signatures, with what a log tells put into them."""

from __future__ import annotations

from collections.abc import Mapping


def filled(template: str, facts: Mapping[str, str]) -> str:
    """Put facts into a sentence.

    `{name}` gives `?` and `{name|otherwise}` the rest where there is no such fact; `{ on <name>}` gives
    the whole phrase, or nothing. A message that ends in a full stop adds none to that of the sentence.
    """
    out = []
    remaining = template
    while True:
        before, brace, after = remaining.partition("{")
        out.append(before)
        if not brace:
            return "".join(out)
        name, _, remaining = after.partition("}")
        if "<" in name:
            start, _, inner = name.partition("<")
            name, _, end = inner.partition(">")
            phrase = f"{start}{facts[name]}{end}" if facts.get(name) else ""
        else:
            name, bar, otherwise = name.partition("|")
            phrase = facts.get(name) or (otherwise if bar else "?")
        out.append(phrase.removesuffix(".") if remaining.startswith(".") else phrase)


def sentence(template: str, facts: Mapping[str, str]) -> str:
    """The same as a sentence of its own, which may begin with what a fact calls `the …`."""
    text = filled(template, facts)
    return f"T{text[1:]}" if text.startswith("the ") else text
