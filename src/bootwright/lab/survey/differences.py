"""In which steps kernels differ, of what they answered."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.lab.probes.ktap import ProbeResult, ProbeTest

NOT_MADE = "-"
"""In place of an answer: the kernel's report does not have the step."""


@frozen
class Column:
    """Steps that every kernel answers alike among themselves."""

    steps: tuple[str, ...]
    answers: Mapping[str, str]
    """By kernel: `ok`, the call and its errno, `not ok`, `skipped` or `-`."""

    @property
    def differs(self) -> bool:
        """Not all kernels answer the same."""
        return len(set(self.answers.values())) > 1


def columns(results: Mapping[str, ProbeResult]) -> tuple[Column, ...]:
    """Every step of the results, those with the same answers in one column, in the order of the steps.

    `results` are by kernel. A kernel whose report is not whole has `-` for the steps that it lacks.
    """
    cells = {
        kernel: {(test.group, test.name): answer_of(test) for test in result.tests}
        for kernel, result in results.items()
    }
    steps = list(dict.fromkeys(step for answers in cells.values() for step in answers))
    alike: dict[tuple[str, ...], list[str]] = {}
    for step in steps:
        answers = tuple(given.get(step, NOT_MADE) for given in cells.values())
        alike.setdefault(answers, []).append(step[1])
    return tuple(
        Column(tuple(names), dict(zip(results, answers, strict=True))) for answers, names in alike.items()
    )


def answer_of(test: ProbeTest) -> str:
    """`ok`, `skipped`, or what failed: `open_tree: EINVAL`."""
    if test.ok is None:
        return "skipped"
    if test.ok:
        return "ok"
    return f"{test.call}: {test.errno}" if test.call and test.errno else test.call or "not ok"
