"""When a boot of an image has got where it was wanted, or will get no further, decided from its console.

Fed as the bytes come; what is looked at is the text without control sequences, whatever chunks it came in.
"""

from __future__ import annotations

import re

from attrs import define, field, frozen

from bootwright.foundation.errors import Refused

# ECMA-48 control sequences, operating system commands, character sets, and other escapes of one letter.
_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\n]{0,512}\x07|[()*+#][0-9A-Za-z]|[0-Z\\^-~])"
)
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\x1b") + b"\x7f"
_LONGEST_SEQUENCE = 600
_TAIL = 4096

# A getty's prompt ends without a line end (agetty(8): "HOST login: ").
_LOGIN = re.compile(rb"(?:^|\n)[^\n]{0,100}\blogin: ?\Z")
# printk's time, and a prefix such as a boot's mark, may come before a KTAP line (ktap.rst, Linux 6.12).
_LEAD = rb"(?:^|\n)(?:<\d+>)?(?:\[ *\d+\.\d+\] ?)?(?:\w+: )?"
_KTAP = re.compile(_LEAD + rb"K?TAP version \d+ *(?=\n)")
_PLAN = re.compile(_LEAD + rb"1\.\.(\d+)[^\n]*(?=\n)")
_RESULT = re.compile(_LEAD + rb"(?:not )?ok (\d+)\b[^\n]*(?=\n)")
_BAIL = re.compile(_LEAD + rb"Bail out!")

# kernel/panic.c, Linux 6.12.
_PANIC = b"Kernel panic - not syncing"
_REBOOT = b"Rebooting in "

# Where a boot waits for a person, or has ended: nothing more will come of it.
_DEAD_ENDS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("kernel panic", re.compile(rb"---\[ end Kernel panic[^\n]*(?=\n)")),  # kernel/panic.c, Linux 6.12
    # kernel/reboot.c, Linux 6.12: a machine that cannot switch itself off.
    ("a halted system", re.compile(rb"reboot: (?:Power off not available: )?System halted[^\n]*(?=\n)")),
    ("EFI shell", re.compile(rb"(?:^|\n)Shell> \Z")),
    ("GRUB's prompt", re.compile(rb"(?:^|[\n ])grub(?: rescue)?> ?\Z")),
    ("U-Boot's prompt", re.compile(rb"(?:^|\n)=> \Z")),
    ("an emergency shell", re.compile(rb"(?:^|\n)\(initramfs\) \Z")),
)


NAMED = ("login", "ktap")
"""Goals that are no text: a login prompt, and the end of a test report."""


@frozen
class Goal:
    """What a boot is wanted to reach: a text on the console, `login`, or `ktap` (a test report's end)."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Raises `Refused` for a goal that cannot be seen on a console."""
        if not text.strip() or "\n" in text or len(text) > 500:
            raise Refused(f"{text[:60]!r} is not a goal", hint="give a text of one line, or login, or ktap")
        return cls(text)


@define
class GoalWatch:
    """Looks for one goal in a console as it comes."""

    goal: Goal | None
    reached: bool = False
    dead_end: str | None = None
    """Where the boot got stuck, or None."""
    panicked: bool = False
    """Whether the kernel gave up and did not say that it will reboot."""
    _rest: bytes = b""
    _text: bytes = b""
    _plan: int | None = None
    _report: bool = False
    _results: set[int] = field(factory=set)

    def feed(self, chunk: bytes) -> bool:
        """The next bytes; whether there is no need to go on."""
        self._text = self._text[-_TAIL:] + self._clean(chunk)
        if not self.reached and self._found():
            self.reached = True
        self._look_for_panic()
        if not self.reached:
            self.dead_end = next(
                (name for name, pattern in _DEAD_ENDS if pattern.search(self._text)), self.dead_end
            )
        return self.reached or self.dead_end is not None

    def _look_for_panic(self) -> None:
        panic = self._text.rfind(_PANIC)
        if panic >= 0:
            self.panicked = _REBOOT not in self._text[panic:]

    def _clean(self, chunk: bytes) -> bytes:
        data = self._rest + chunk
        # A control sequence may be cut by the chunk's end: it waits for the next one.
        start = data.rfind(b"\x1b", max(0, len(data) - _LONGEST_SEQUENCE))
        cut = start >= 0 and _SEQUENCE.match(data, start) is None and b"\n" not in data[start:]
        self._rest = data[start:] if cut else b""
        return _SEQUENCE.sub(b"", data[:start] if cut else data).translate(None, _CONTROL + b"\x1b")

    def _found(self) -> bool:
        if self.goal is None:
            return False
        if self.goal.text == "login":
            return _LOGIN.search(self._text) is not None
        if self.goal.text == "ktap":
            return self._ktap()
        return self.goal.text.encode() in self._text

    def _ktap(self) -> bool:
        """The outermost plan is done. Nested results are indented, and so are not seen here."""
        report = _KTAP.search(self._text)
        if report and not self._report:
            self._report = True
        if not self._report:
            return False
        plan = _PLAN.search(self._text)
        if plan and self._plan is None:
            self._plan = int(plan[1])
        self._results.update(int(match[1]) for match in _RESULT.finditer(self._text))
        if _BAIL.search(self._text):
            return True
        return self._plan is not None and len(self._results) >= self._plan
