"""Which source file a function is from, by what tables of a module or Image say of some of its code.

Objects are linked one behind the other, so that a function between two of one file is of that file too.
"""

from __future__ import annotations

from collections import Counter

from bootwright.formats.messages.in_module import ModuleCode
from bootwright.formats.messages.mining import Code


class SourceFiles:
    """Source files of functions, as far as the bytes tell."""

    def __init__(self, module: ModuleCode) -> None:
        votes: dict[tuple[int, int], Counter[str]] = {}
        for code, index, file in module.files:
            number = code.function(index)
            # A header's name says what was inlined, not where.
            if number is not None and file.endswith(".c"):
                votes.setdefault((id(code), number), Counter())[_relative(file)] += 1
        self._files = {key: counter.most_common(1)[0][0] for key, counter in votes.items()}
        for code in module.codes:
            self._between(code)

    def of(self, code: Code, index: int) -> str:
        """The source file, or nothing where that is not told."""
        number = code.function(index)
        return self._files.get((id(code), number), "") if number is not None else ""

    def _between(self, code: Code) -> None:
        before: tuple[int, str] | None = None
        for number in range(len(code.starts)):
            file = self._files.get((id(code), number))
            if file is None:
                continue
            if before is not None and before[1] == file:
                for inner in range(before[0] + 1, number):
                    self._files[id(code), inner] = file
            before = number, file


def _relative(file: str) -> str:
    """Builds outside the source folder have `../` or the folder's path before it."""
    return file.removeprefix("./").rpartition("../")[2]
