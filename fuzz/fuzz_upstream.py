"""Any bytes are sources, lists of maintainers and kept looks of `upstream`, or one error."""

from __future__ import annotations

import contextlib

from bootwright.foundation.errors import Malformed
from bootwright.investigate.plans.further import parse_further
from bootwright.upstream.draft.maintainers import read_maintainers, recipients
from bootwright.upstream.draft.run_facts import parse_run
from bootwright.upstream.relevance.configs import architecture, kconfig_lines, needed_options, objects_of
from bootwright.upstream.relevance.dts_text import DtsGroup, read_dts
from bootwright.upstream.relevance.edits import edits_of_patch
from bootwright.upstream.relevance.reach import Served, Source, reach
from bootwright.upstream.watch.seen import parse_seen

_SERVED = Served(frozenset({"a,b"}), frozenset({0x600D84A2}), frozenset({"open_tree"}))


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as each of them."""
    text = data.decode(errors="replace")
    lines = text.count("\n") + 1
    reach([Source.read("x.c", text)], _SERVED).touches("x.c", range(1, lines + 1))
    file = read_dts("x.dts", text)
    assert all(1 <= node.first <= node.last <= lines for node in file.nodes)
    names = frozenset(node.name for node in file.nodes[:2])
    DtsGroup({"x.dts": file}).ours(names, names, frozenset({"a"}), frozenset({"a,b"}))
    assert set(kconfig_lines(text)) <= set(range(1, lines + 1))
    needed_options(text, kconfig_lines(text).values())
    objects_of(text)
    architecture("x", text)
    edits_of_patch(data, "x.patch")
    recipients(read_maintainers(text), ["a/b"])
    for parse in (parse_seen, parse_further):
        with contextlib.suppress(Malformed):
            parse(data, "x.json")
    with contextlib.suppress(Malformed):
        parse_run(data, "x.json", "a", version_factors=("b",), mending={"c": "a"})


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
