"""A node that comes up: wait until it takes a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.prepare.maintenance import Seen

WAIT_SCHEMA = "bootwright/wait/1"
_SYSTEM = "talos"


@frozen
class Waited:
    """How far a node came."""

    host: str
    port: int
    seen: Seen
    """What was seen last."""
    seconds: float
    """How long it took."""
    then: str
    """The command that gives it a configuration; empty where it does not wait for one."""

    @property
    def verdict(self) -> Verdict:
        """`works` where it waits for a configuration, `fails` where it has one, else `unknown`."""
        from bootwright.foundation.verdict import Verdict
        from bootwright.prepare.maintenance import Stage

        return {Stage.WAITS: Verdict.WORKS, Stage.CONFIGURED: Verdict.FAILS}.get(
            self.seen.stage, Verdict.UNKNOWN
        )

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/wait.schema.json."""
        return {
            "schema": WAIT_SCHEMA,
            "verdict": self.verdict.value,
            "host": self.host,
            "port": self.port,
            "stage": self.seen.stage.name.lower().replace("_", "-"),
            "text": self.seen.text,
            "fingerprint": self.seen.fingerprint or None,
            "seconds": round(self.seconds, 1),
            "then": self.then or None,
        }


def wait(
    host: str, *, timeout: float = 600, port: int | None = None, progress: Progress | None = None
) -> Waited:
    """Wait until a Talos node is in maintenance mode, where it takes a configuration.

    `host` is a name or an address; `timeout` is in seconds, `port` the API's [50000]. Ends early where the
    node has a configuration already: it then demands a client certificate. Nothing is sent but a greeting.

    Returns a `Waited`: `.verdict`, `.seen`, `.then`, `.as_json()`. Raises `Refused` for what is no host.

        wait("192.168.1.23", timeout=300).then
    """
    from bootwright.prepare.knowledge import PREPARATIONS
    from bootwright.prepare.maintenance import Seen, Service, Stage
    from bootwright.prepare.maintenance import wait as looks

    preparation = PREPARATIONS.get(_SYSTEM)
    number = port if port is not None else preparation.service
    reports = reporter(progress)
    last = Seen(Stage.SILENT, f"{host} was not looked at")
    took = 0.0

    def advance(_: Seen, seconds: float) -> None:
        nonlocal took
        took = seconds
        reports.advance(seconds, timeout, "s")

    with reports.step(f"waiting for {host}, port {number}"):
        for last in looks(host, Service(number, preparation.service_name), timeout, report=advance):
            reports.note(last.text)
    then = preparation.then.replace("{address}", host) if last.stage is Stage.WAITS else ""
    return Waited(host, number, last, took, then)
