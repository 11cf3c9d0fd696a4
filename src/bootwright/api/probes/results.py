"""The results of probes that come back from laboratories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from bootwright.foundation.verdict import Verdict
    from bootwright.lab.probes.ktap import ProbeResult

RESULTS = "bootwright/probe-results/1"


@frozen
class ProbeResults:
    """What a laboratory's boot showed."""

    result: ProbeResult

    @property
    def verdict(self) -> Verdict:
        """As of a boot here."""
        from bootwright.lab.probes.judge import verdict

        return verdict(self.result)

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/probe-results.schema.json."""
        return {
            "schema": RESULTS,
            "verdict": self.verdict.value,
            "release": self.result.release,
            "page_size": self.result.page_size,
            "complete": self.result.complete,
            "tests": [
                {
                    "group": test.group,
                    "name": test.name,
                    "ok": test.ok,
                    "call": test.call,
                    "errno": test.errno,
                    "detail": test.detail,
                }
                for test in self.result.tests
            ],
        }

    def as_kcidb(self, origin: str) -> dict[str, Any]:
        """A report for KernelCI's database, checked by kcidb-io; raises `Missing` without it, `Malformed`."""
        from bootwright.lab.jobs.results import kcidb_report

        return kcidb_report(self.result, origin)


def read_probe_results(file: str | Path) -> ProbeResults:
    """The results in a console with KTAP, a LAVA job's log, a pull lab's callback, or a report for kcidb.

    Raises `Missing` and `Malformed`.

        read_probe_results("console.log").verdict
    """
    from bootwright.api.bench.handed import read_file
    from bootwright.lab.jobs.results import read_results

    data, handed = read_file(Path(file))
    return ProbeResults(handed.result if handed.result is not None else read_results(data, str(file)))
