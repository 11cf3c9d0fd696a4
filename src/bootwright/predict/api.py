"""The predictor's door for other packages.

    verdict = predict_goal(kernel, dtb, "raspberrypi-5", "ethernet", stepping="d0")
    verdict.verdict          # works | fails | unknown
    verdict.first_broken     # Link | None: node, needs, reason, remedy
    verdict.hazards          # what may fail all the same

Facts of a kernel are read once per image and kept; a devicetree is read each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from attrs import evolve

from bootwright.boards.fit import require_fit
from bootwright.boards.model import Board, Goal
from bootwright.boards.model import board as board_named
from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.formats.modules.modprobe_config import ModprobeConfig
from bootwright.foundation.errors import Missing
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.predict.goals import OS_GOAL, OS_GOALS, OS_START, has_early_needs, judge, judge_os, predict
from bootwright.predict.kernel.drivers import KernelFacts, kernel_facts
from bootwright.predict.misfit import headed, misfit
from bootwright.predict.model import GoalVerdict, NodePrediction
from bootwright.predict.solving.prediction import Prediction
from bootwright.predict.start.arguments import Arguments

__all__ = [
    "OS_GOAL",
    "OS_GOALS",
    "OS_START",
    "GoalVerdict",
    "NodePrediction",
    "Prediction",
    "dtb_for",
    "facts_of",
    "has_early_needs",
    "judge",
    "judge_os",
    "predict",
    "predict_goal",
    "predict_nodes",
    "read_tree",
]


def predict_goal(
    kernel: Kernel,
    dtb: Path,
    board: Board | str,
    goal: Goal | str,
    *,
    stepping: str | None = None,
    initramfs_modules: frozenset[str] | None = None,
    os: Mapping[str, Version] | None = None,
) -> GoalVerdict:
    """Whether `goal` of `board` is reached with this kernel and this devicetree file.

    `board` and `goal` are names (`raspberrypi-5`, `ethernet`) or objects of `bootwright.boards.model`.
    `stepping` is one of the board's (`c0`, `d0`), None if unknown: hazards of one stepping are then given as
    such. `initramfs_modules` are names of modules in the initramfs, None where it is not known. `os` maps an
    operating system to its version (`{"talos": Version}`), for hazards that depend on it.

    Raises `Refused` for an unknown board, goal or stepping and for another board's devicetree, `Missing`
    for a file that is not there, `Malformed` for one that is damaged. Nothing is booted; needs the kernel's
    image, and to say more than "unknown" about absent drivers also its modules.
    """
    chosen_board = board_named(board) if isinstance(board, str) else board
    if stepping is not None:
        chosen_board.stepping(stepping)
    wanted = chosen_board.goal(goal) if isinstance(goal, str) else goal
    tree = read_tree(dtb)
    require_fit(chosen_board, str(dtb), tree.compatible)
    solved = predict(facts_of(kernel, initramfs_modules), tree, board=chosen_board, stepping=stepping, os=os)
    verdict = judge(solved, chosen_board, wanted)
    link = misfit(chosen_board, chosen_board.stepping(stepping).dtb, dtb.name, tree.compatible)
    return verdict if link is None else headed(verdict, link)


def predict_nodes(
    kernel: Kernel, dtb: Path, *, initramfs_modules: frozenset[str] | None = None
) -> list[NodePrediction]:
    """What becomes of every node of a devicetree under a kernel, in the blob's order."""
    return predict(facts_of(kernel, initramfs_modules), read_tree(dtb)).nodes


def dtb_for(kernel: Kernel, board: Board | str, stepping: str | None = None) -> Path:
    """The devicetree that firmware picks for a board, out of the kernel's own.

    Raises `Missing` where the kernel comes without it.
    """
    chosen_board = board_named(board) if isinstance(board, str) else board
    name = chosen_board.stepping(stepping).dtb
    if kernel.dtbs is not None:
        for path in sorted(kernel.dtbs.rglob(name)):
            return path
    raise Missing(
        f"{kernel.name} has no {name}",
        hint="give a devicetree with --dtb, or a kernel that supports the board",
    )


def facts_of(
    kernel: Kernel,
    initramfs_modules: frozenset[str] | None = None,
    arguments: Arguments | None = None,
    modprobe: tuple[ModprobeConfig | None, ModprobeConfig | None] = (None, None),
) -> KernelFacts:
    """A kernel's facts, read once.

    `arguments` are those it is started with, `modprobe` what the initramfs and the root file system say to
    modprobe: they may forbid modules.
    """
    return _facts(kernel.name, _Hashed(kernel), initramfs_modules, arguments, modprobe)


class _Hashed:
    """A kernel as part of a cache key: kernels of one name and image are the same."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._key = (
            kernel.image,
            kernel.image_sha256,
            kernel.config,
            kernel.modules,
            kernel.page_size,
        )

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self._key == other._key


@lru_cache(maxsize=16)
def _facts(
    name: str,  # noqa: ARG001 - a kernel of another name has a cache entry of its own
    kernel: _Hashed,
    initramfs_modules: frozenset[str] | None,
    arguments: Arguments | None,
    modprobe: tuple[ModprobeConfig | None, ModprobeConfig | None],
) -> KernelFacts:
    if kernel.kernel.facts is not None:
        from bootwright.predict.kernel.facts_file import read_facts  # rarely needed

        return evolve(
            read_facts(kernel.kernel.facts, config=kernel.kernel.config),
            initramfs_modules=initramfs_modules,
            arguments=arguments if arguments is not None else Arguments(),
            early_modprobe=modprobe[0],
            root_modprobe=modprobe[1],
        )
    return kernel_facts(
        kernel.kernel,
        initramfs_modules=initramfs_modules,
        arguments=arguments,
        early_modprobe=modprobe[0],
        root_modprobe=modprobe[1],
    )


def read_tree(dtb: Path, overlays: Sequence[Path] = ()) -> Tree:
    """A devicetree file with overlays applied. Raises `Missing` or `Malformed`."""
    from bootwright.predict.board_tree import with_overlays

    tree = read_fdt_file(dtb)
    return with_overlays(tree, [read_fdt_file(path) for path in overlays])
