"""What of a change has an effect at all: no comments, no printed texts, no documents."""

from __future__ import annotations

import re
from collections import Counter

from bootwright.upstream.relevance.c_code import tokens_of
from bootwright.upstream.relevance.edits import Edit, FileEdits

CODE = (".c", ".h", ".S", ".go")
"""Endings of files that are compiled."""
_NO_EFFECT = ("Documentation/", "docs/", "website/", ".github/", "tools/testing/", "samples/", "vendor/")
_NO_EFFECT_FILES = re.compile(
    r"(?:^|/)dt-bindings/|(?:^|/)(?:[^/]+\.(?:md|rst|txt~)|README[^/]*|MAINTAINERS|LICENSE[^/]*|CHANGELOG[^/]*|CREDITS|go\.(?:sum|mod|work"
    r"(?:\.sum)?)|[^/]+_test\.go|\.[^/]+)$"
)
_IN_COMMENT = re.compile(r"\s*\*(?:[\s/]|$)")
"""A line in the middle of a comment, or its last (coding-style.rst, Linux 6.12)."""


def has_no_effect(path: str) -> bool:
    """Whether a file is read by people and tests alone, or holds names that do nothing by themselves."""
    return path.startswith(_NO_EFFECT) or _NO_EFFECT_FILES.search(path) is not None


def is_without_effect(edits: FileEdits) -> bool:
    """Whether nothing is changed but comments, spaces and printed texts."""
    if edits.path.endswith(CODE):
        return all(same_code(edit) for edit in edits.edits)
    if edits.path.endswith((".txt", ".yaml", ".yml", ".conf", ".cfg", ".sh")):
        before, after = (
            [stripped for _, line in lines if (stripped := line.partition("#")[0].strip())]
            for lines in (edits.removed, edits.added)
        )
        return before == after
    return False


def same_code(edit: Edit) -> bool:
    """Whether a compiler sees the same before and afterwards."""
    before, after = (
        [token.text for token in tokens_of(_closed("\n".join(line for _, line in lines)))]
        for lines in (edit.removed, edit.added)
    )
    return before == after


def _closed(text: str) -> str:
    """Without lines of a comment that began before them; one that begins here stays whole."""
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if not inside and _IN_COMMENT.match(line):
            continue
        kept.append(line)
        if "/*" in line or "*/" in line:
            inside = line.rfind("/*") > line.rfind("*/")
    return "\n".join(kept)


def signature_of(edit: Edit) -> tuple[frozenset[tuple[str, int]], frozenset[tuple[str, int]]]:
    """What words a change takes away and puts in, whatever stands around them."""
    before, after = (
        Counter(token.text for _, line in lines for token in tokens_of(line) if token.kind.endswith("word"))
        for lines in (edit.removed, edit.added)
    )
    return frozenset((before - after).items()), frozenset((after - before).items())
