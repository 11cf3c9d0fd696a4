"""The errors a user can meet, each one line with a hint.

Three kinds, by who can mend it: the input is wrong (`Malformed`, `Refused`), something the user
must supply is not there (`Missing`), or a program we called did not do its work (`ToolFailed`).
The command line turns each into one line on stderr and exit status 2.
"""

from __future__ import annotations

EXIT_BAD_INPUT = 2
CUT_SHORT = "the file is not whole: download or copy it again"
"""The hint wherever a file ends before what it holds does."""
DAMAGED = "the file is damaged: download or copy it again"
"""The hint wherever a file is of another content than it was written with."""


class BootwrightError(Exception):
    """An error with a message for the user and, where there is one, the next step to take.

    `message` and `hint` are one line each, without a trailing full stop in `message`.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class Malformed(BootwrightError):
    """Bytes that are not what their format says.

    `where` names the file or container path, `offset` is in bytes from its start (None where the
    format has no offsets, as in a table's row), `expected` and `found` are short phrases.
    """

    def __init__(
        self, where: str, offset: int | None, expected: str, found: str, *, hint: str | None = None
    ) -> None:
        place = where if offset is None else f"{where}: at byte {offset:#x}"
        super().__init__(f"{place}: expected {expected}, found {found}", hint=hint)
        self.where = where
        self.offset = offset
        self.expected = expected
        self.found = found


def first_bytes(data: bytes, most: int) -> str:
    """For `Malformed.found`: `0x7f454c46`, at most so many bytes, or that there are none."""
    return f"0x{data[:most].hex()}" if data else "nothing: it is empty"


class Refused(BootwrightError):
    """A request that is well-formed but cannot be carried out as given (unknown name, contradiction)."""


class Missing(BootwrightError):
    """Something the user must supply or install: a tool, a file, the network, space on a disk."""


class Unequipped(Missing):
    """This machine lacks it: a program, room on a disk, the right to write. Another input would not help."""


class ToolFailed(BootwrightError):
    """An external program exited with an error; `output` holds what it printed (bounded)."""

    def __init__(self, tool: str, output: str, *, hint: str | None = None) -> None:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "it printed nothing")
        super().__init__(f"{tool} failed: {last.strip()[:300]}", hint=hint)
        self.tool = tool
        self.output = output
