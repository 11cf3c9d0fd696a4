"""Whether a change of a devicetree source touches the nodes on the way to a device."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bootwright.upstream.relevance.dts_text import DtsGroup, read_dts
from bootwright.upstream.relevance.edits import Edit, FileEdits
from bootwright.upstream.relevance.ground import Commits, Ground
from bootwright.upstream.relevance.subject import Subject

_ROOT_PROPERTIES = re.compile(r"^\s*(?:#address-cells|#size-cells|interrupt-parent|dma-ranges)\b")


def dts_touch(
    commits: Commits, edits: FileEdits, ends: tuple[str, str], subject: Subject, ground: Ground
) -> str:
    """Which node of the subject a change of a file touches; empty where none.

    `ends` are the commits before and afterwards.
    """
    if edits.path not in ground.dts_paths and (edits.old or "") not in ground.dts_paths:
        return ""
    if edits.path in ground.dts_roots and not (edits.old and edits.new):
        return f"the board's devicetree {'goes' if edits.old else 'comes'}"
    sides = ((ends[0], edits.old, edits.removed), (ends[1], edits.new, edits.added))
    for commit, path, lines in sides:
        if commit and path and lines:
            group = commits.dts_group(commit, {*ground.dts_roots, path})
            what = _in_file(group, path, lines, subject)
            if what:
                return what
    return ""


def _in_file(group: DtsGroup, path: str, lines: Iterable[tuple[int, str]], subject: Subject) -> str:
    file = group.files.get(path)
    if file is None:
        return ""
    ours = group.ours(subject.node_names, _goal_names(subject), subject.labels, subject.compatibles)
    own_labels = {label for place in ours for label in group.files[place[0]].nodes[place[1]].labels}
    for number, line in lines:
        if number not in file.code_lines:
            continue
        index = file.innermost(number)
        if index is not None and (path, index) in ours:
            return ours[path, index]
        if index is not None and file.nodes[index].name == "/" and _ROOT_PROPERTIES.match(line):
            return line.strip()
        # What is said of a node elsewhere: aliases, /delete-node/, a reference from the root.
        named = own_labels.intersection(re.findall(r"&([A-Za-z_]\w*)", line)) & _first_labels(
            subject, own_labels
        )
        parent = file.nodes[index].name if index is not None else "/"
        if named and parent in {"/", "aliases", "chosen"}:
            return f"&{min(named)}"
    return ""


def _first_labels(subject: Subject, labels: set[str]) -> set[str]:
    return labels & subject.labels if subject.labels else labels


def _goal_names(subject: Subject) -> frozenset[str]:
    return frozenset(path.rpartition("/")[2] for path in subject.goal_nodes)


def patch_dts_touch(edit: Edit, subject: Subject, path: str) -> str:
    """The same for a hunk of a patch, of which only a few lines are known."""
    names = subject.node_names
    for sign, lines in (("-", edit.removed), ("+", edit.added)):
        if not lines:
            continue
        shown = [line for line in edit.context if line[:1] in {" ", sign}]
        file = read_dts(path, "\n".join(line[1:] for line in shown))
        for number, line in enumerate(shown, 1):
            if not line.startswith(sign) or number not in file.code_lines:
                continue
            index = file.innermost(number)
            while index is not None:
                node = file.nodes[index]
                if node.name in names or node.name.removeprefix("&") in subject.labels:
                    return node.name
                if subject.labels.intersection(node.labels) or subject.compatibles.intersection(
                    node.compatibles
                ):
                    return node.name
                # A node that is not ours may only be a part of ours where it was opened inside of one.
                index = node.parent
            if mentioned := _mentioned(line, subject):
                return mentioned
    return ""


def _mentioned(line: str, subject: Subject) -> str:
    labels = subject.labels.intersection(re.findall(r"&([A-Za-z_]\w*)", line))
    compatibles = subject.compatibles.intersection(re.findall(r'"([^"]*)"', line))
    return min(labels | compatibles, default="")
