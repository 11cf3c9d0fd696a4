"""What `upgrade-check` says for a person: the verdict, what stays on the boot partition, and what breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bootwright.foundation.verdict import Verdict
from bootwright.predict.verdicts import BoardVerdicts
from bootwright.prepare.upgrading.partition import Node, Partition
from bootwright.prepare.upgrading.steps import Step
from bootwright.report.checked.text import screens, terminal_size
from bootwright.report.words import wrapped

_WORDS = {
    "stays": "stays",
    "replaced": "replaced",
    "the same": "replaced, by the same",
    "new": "new",
    "unseen": "stays, by the listing",
}


def lines(
    node: Node,
    partition: Partition,
    judged: Sequence[BoardVerdicts],
    verdict: Verdict,
    *,
    steps: Sequence[Step] = (),
    first_broken: str = "",
    notes: Sequence[str] = (),
    known: bool,
) -> Iterator[str]:
    """`known`: whether it is known what the installer's overlay brings."""
    running = " and ".join(
        word for word in (node.version, f"Linux {node.release}" if node.release else "") if word
    )
    yield f"after the upgrade: {verdict}"
    yield from wrapped(
        "  ", f"now: {running or 'not told (give talosctl dmesg and talosctl version with --node)'}"
    )
    if first_broken:
        yield from wrapped("  ", f"first broken: {first_broken}")
    for note in notes:
        yield from wrapped("  ", f"not known: {note}")
    if not known:
        yield from wrapped(
            "  ",
            "not known: what the installer's overlay puts on the boot partition. Below is what holds where "
            "it puts nothing there; give --overlay FOLDER, or --no-overlay",
        )
    if steps:
        yield ""
        yield "the upgrade:"
    for step in steps:
        yield from wrapped("  ", f"{step.verdict}: {step.needs}{f': {step.reason}' if step.reason else ''}")
        if step.remedy:
            yield from wrapped("    ", f"do: {step.remedy}")
    yield ""
    yield "the boot partition:"
    for what, words in _WORDS.items():
        paths = partition.of(what)
        if paths:
            yield from wrapped("  ", f"{words}: {_shown(paths)}")
    yield ""
    yield from screens(judged, terminal_size().endless)


def _shown(paths: Sequence[str]) -> str:
    """What decides first: config.txt and devicetrees by name, the rest counted."""
    decide = [path for path in paths if path.lower().endswith((".dtb", "config.txt", "u-boot.bin"))]
    rest = len(paths) - len(decide)
    words = decide[:12]
    if len(decide) > 12:
        words.append(f"{len(decide) - 12} more devicetrees")
    if rest:
        words.append(f"{rest} other files" if rest > 1 else "1 other file")
    return ", ".join(words)
