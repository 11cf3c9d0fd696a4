"""QMP, QEMU's machine protocol: one command after another, and the events between them.

QEMU docs/interop/qmp-spec; a command is answered by one line, events come at any time.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from attrs import define, field

from bootwright.foundation.errors import ToolFailed

_MOST_LINE = 16 << 20
_MOST_EVENTS = 10_000


@define
class Monitor:
    """The connection to one machine; raises `TimeoutError` where it does not answer in the socket's time."""

    control: socket.socket
    _received: bytearray = field(factory=bytearray, init=False)
    _events: list[dict[str, Any]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.run("qmp_capabilities")

    def human(self, line: str) -> None:
        """A command of the human monitor; raises `ToolFailed` when it answers with words."""
        answer = self.run("human-monitor-command", {"command-line": line})
        if answer:
            raise ToolFailed("qemu-system-aarch64", f"monitor command {line!r}: {answer}")

    def run(
        self, name: str, arguments: dict[str, Any] | None = None, *, descriptor: int | None = None
    ) -> object:
        """What a command returns; `descriptor` is handed over with it. Raises `ToolFailed`."""
        message = json.dumps({"execute": name, "arguments": arguments or {}}).encode() + b"\n"
        try:
            if descriptor is None:
                self.control.sendall(message)
            else:
                socket.send_fds(self.control, [message], [descriptor])
            while True:
                answer = self._line()
                if "return" in answer:
                    returned: object = answer["return"]
                    return returned
                if "error" in answer:
                    raise ToolFailed("qemu-system-aarch64", f"{name}: {answer['error'].get('desc')}")
        except ConnectionError as error:
            raise ToolFailed("qemu-system-aarch64", f"it ended at {name}") from error

    def migrated(self) -> None:
        """Wait until the machine's state is written or read whole; raises `ToolFailed` where it cannot be."""
        while True:
            for event in self._events:
                status = event.get("data", {}).get("status") if event["event"] == "MIGRATION" else None
                if status == "completed":
                    return
                if status in {"failed", "cancelled"}:
                    raise ToolFailed("qemu-system-aarch64", f"the machine's state: {status}")
            self._events.clear()
            try:
                self._line()
            except ConnectionError as error:
                raise ToolFailed("qemu-system-aarch64", "it ended at the machine's state") from error

    def _line(self) -> dict[str, Any]:
        """The next line; an event is also kept."""
        while (end := self._received.find(b"\n")) < 0:
            chunk = self.control.recv(65536)
            if not chunk or len(self._received) > _MOST_LINE:
                raise ConnectionResetError("closed")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise ToolFailed("qemu-system-aarch64", f"{line[:100]!a} is no line of QMP") from error
        if not isinstance(answer, dict):
            raise ToolFailed("qemu-system-aarch64", f"{line[:100]!a} is no line of QMP")
        if "event" in answer and len(self._events) < _MOST_EVENTS:
            self._events.append(answer)
        return answer
