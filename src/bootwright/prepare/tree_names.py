"""Devicetrees as a user names them: a file, a folder, a kernel on this machine, or a file of such a one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bootwright.boards.model import Board
from bootwright.foundation.choices import near
from bootwright.foundation.errors import Missing
from bootwright.kernels.model import Kernel


def devicetrees_named(
    names: Iterable[Path], board: Board, stepping: str | None, here: Sequence[Kernel]
) -> tuple[Path, ...]:
    """The files and folders that `names` stand for; raises `Missing` for one that is none of all these."""
    return tuple(path for name in names for path in _paths(name, board, stepping, here))


def kernel_with_tree(board: Board, stepping: str | None, here: Sequence[Kernel]) -> str:
    """The newest kernel on this machine that has the board's devicetrees; empty where none has."""
    kernels = (kernel for kernel in _newest(here) if len(_of_board(kernel, board, stepping)) > 0)
    return next((kernel.name for kernel in kernels), "")


def _paths(name: Path, board: Board, stepping: str | None, here: Sequence[Kernel]) -> Sequence[Path]:
    if name.exists():
        return (name,)
    text = str(name)
    kernel = next((kernel for kernel in here if kernel.name == text), None)
    if kernel is not None:
        files = _of_board(kernel, board, stepping)
        if not files or kernel.dtbs is None:
            wanted = " or ".join(_wanted(board, stepping))
            raise Missing(f"{text} has no {wanted}", hint=_hint(board, stepping, here))
        return files if len(files) == 1 else (kernel.dtbs,)
    if name.name == text and name.suffix == ".dtb":
        path = next((path for kernel in _newest(here) for path in _named(kernel, text)), None)
        if path is not None:
            return (path,)
    alike = near(text, [kernel.name for kernel in here if kernel.dtbs is not None], alike=0.8)
    meant = f"did you mean {' or '.join(alike)}?" if alike else _hint(board, stepping, here)
    raise Missing(f"there is no {text}", hint=meant)


def _hint(board: Board, stepping: str | None, here: Sequence[Kernel]) -> str:
    kernel = kernel_with_tree(board, stepping, here)
    return "give a .dtb, or a folder with some" + (f", or a kernel's: --dtb {kernel}" if kernel else "")


def _newest(here: Sequence[Kernel]) -> list[Kernel]:
    return sorted(here, key=lambda kernel: kernel.version, reverse=True)


def _wanted(board: Board, stepping: str | None) -> list[str]:
    return [known.dtb for known in board.steppings if stepping in {None, known.name}]


def _of_board(kernel: Kernel, board: Board, stepping: str | None) -> list[Path]:
    """The devicetree of each stepping in question; none where the kernel has not all of them."""
    files = [next(_named(kernel, name), None) for name in _wanted(board, stepping)]
    return [path for path in files if path is not None] if None not in files else []


def _named(kernel: Kernel, name: str) -> Iterator[Path]:
    yield from sorted(kernel.dtbs.rglob(name)) if kernel.dtbs is not None else ()
