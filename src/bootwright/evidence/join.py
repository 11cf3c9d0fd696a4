"""A diagnosis with what artifacts and the board say of it.

The artifact's facts come from `inspect.explore` and the predictor; neither of them nor the diagnosis
knows the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from bootwright.boards.fit import require_fit
from bootwright.boards.model import Board
from bootwright.diagnose.model import SERIOUS, Boot, Diagnosis, Evidence, Finding, Stance
from bootwright.evidence.ask import Context, about_boot, about_finding
from bootwright.evidence.board import board_in_question, board_of, stepping_of
from bootwright.evidence.goals import about_goals
from bootwright.evidence.image import Artifact
from bootwright.evidence.printed import printed_by
from bootwright.foundation.errors import BootwrightError


def check_devicetrees(artifacts: Sequence[Artifact], board: Board) -> None:
    """Raise `Refused` for a devicetree that the user gave by itself and that is for another board."""
    for artifact in artifacts:
        if artifact.item is not None and artifact.item.kind == "devicetree":
            for tree in artifact.trees(frozenset()):
                require_fit(board, artifact.name, tree.compatible)


def with_artifacts(diagnosis: Diagnosis, artifacts: Sequence[Artifact], board: Board | None) -> Diagnosis:
    """The same diagnosis, with evidence for its findings and boots."""
    return evolve(diagnosis, boots=tuple(_with_artifacts(boot, artifacts, board) for boot in diagnosis.boots))


def _with_artifacts(boot: Boot, artifacts: Sequence[Artifact], board: Board | None) -> Boot:
    board = board_in_question(boot, board) if board is not None else None
    stepping = stepping_of(board, boot) if board is not None else None
    # A devicetree given beside a kernel is the one in question, not those that came with the kernel.
    artifacts = sorted(artifacts, key=lambda artifact: bool(artifact.kernels))
    kernel = artifacts[-1]
    contexts = [Context(boot, artifact, _blobs(boot, board, stepping), kernel) for artifact in artifacts]
    findings = tuple(
        evolve(finding, evidence=_unique(_asked(contexts, finding)))
        if finding.severity in SERIOUS
        else finding
        for finding in boot.findings
    )
    if board is not None:
        findings = tuple(about_goals(findings, artifacts, board, stepping))
    return evolve(
        boot,
        findings=findings,
        evidence=_unique(evidence for context in contexts for evidence in about_boot(context)),
    )


def _asked(contexts: Sequence[Context], finding: Finding) -> Iterator[Evidence]:
    for context in contexts:
        try:
            yield from about_finding(context, finding)
            yield from printed_by(context.artifact, finding)
        except BootwrightError as error:
            # The log's diagnosis stands whatever is wrong with a part of the artifact.
            says = f"Not everything in {context.artifact.name} can be read: {error.message}."
            yield Evidence(Stance.TELLS, says, context.artifact.name)


def _blobs(boot: Boot, board: Board | None, stepping: str | None) -> frozenset[str]:
    """File names of the devicetrees in question: the one the firmware named, or those of the board."""
    named = boot.fact("devicetree")
    if named is not None:
        return frozenset({named.rpartition("/")[2]})
    of_board = board or board_of(boot)
    if of_board is None:
        return frozenset()
    chosen = [of_board.stepping(stepping)] if stepping is not None else of_board.steppings
    return frozenset(variant.dtb for variant in chosen)


def _unique(evidence: Iterator[Evidence]) -> tuple[Evidence, ...]:
    """Each once; names come from files of others, so that only what can be printed is kept of them."""
    return tuple(
        dict.fromkeys(evolve(item, says=_shown(item.says), where=_shown(item.where)) for item in evidence)
    )


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
