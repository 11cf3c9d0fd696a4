"""Which driver and source file of an artifact's kernel printed the lines that prove a finding."""

from __future__ import annotations

from collections.abc import Iterator

from bootwright.diagnose.messages.speaker import Speaker, speaker
from bootwright.diagnose.model import SERIOUS, Evidence, Finding, Stance
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.voice import KERNEL, UNKNOWN, voice_of
from bootwright.evidence.image import Artifact
from bootwright.formats.messages.model import Owner
from bootwright.foundation.errors import Malformed
from bootwright.kernels.messages import messages_of_some
from bootwright.kernels.model import Kernel

_MOST_LINES = 3
"""Lines of one finding that are looked up."""
_MOST_OWNERS = 3
"""Further ones could all have printed the line: that tells nothing."""
_MOST_MODULES = 12
"""Modules that are read for one line."""
_LEVELS = (
    "an emergency", "an alert", "critical", "an error", "a warning", "a notice", "information", "debugging",
)  # fmt: skip


def printed_by(artifact: Artifact, finding: Finding) -> Iterator[Evidence]:
    """One sentence for each of the finding's first lines that the artifact's kernel prints.

    Who may have printed a line, the table of the kernels that ship says; those modules, or the image, of this
    kernel are read. A line that no kernel known to the product prints is not looked up.
    """
    serious = finding.severity in SERIOUS
    # What follows from another finding has the same lines, or is not what to look at.
    kernel = artifact.kernel if serious and finding.caused_by is None else None
    if kernel is None:
        return
    for line in finding.lines[:_MOST_LINES]:
        message = prefix.split(line.text.encode())
        known = speaker(message.text) if voice_of(message) in {KERNEL, UNKNOWN} else None
        if known is None:
            continue
        said = _in_kernel(kernel, message.text, known)
        if said is not None and len(said.likely_owners) <= _MOST_OWNERS:
            yield Evidence(Stance.TELLS, _sentence(line.number, said), artifact.name)


def _in_kernel(kernel: Kernel, text: bytes, known: Speaker) -> Speaker | None:
    modules = frozenset(owner.module for owner in known.owners) - {""}
    built_in = any(not owner.module for owner in known.owners)
    if len(modules) > _MOST_MODULES:
        return None
    try:
        table = messages_of_some(kernel, modules, image=built_in)
    except Malformed:
        # An image without symbol table: what its modules print can still be told.
        table = messages_of_some(kernel, modules, image=False)
    return speaker(text, table)


def _sentence(number: int, said: Speaker) -> str:
    who = " or ".join(_name(owner) for owner in said.likely_owners)
    level = f", as {_LEVELS[said.levels[0]]}" if len(said.levels) == 1 else ""
    return f"Line {number} is printed by {who}{level}."


def _name(owner: Owner) -> str:
    where = owner.file or owner.function
    return f"{where} (module {owner.module})" if owner.module else f"{where} (built in)"
