"""Boots with probes as jobs of laboratories, and the results that come back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.foundation.verdict import Verdict
    from bootwright.lab.probes.ktap import ProbeResult

LABS = ("lava", "pull-labs")
RESULTS = "bootwright/probe-results/1"


@frozen
class LabJob:
    """A job, and what it needs."""

    definition: dict[str, Any]
    path: Path
    """The job's file: YAML for LAVA, JSON for pull labs."""
    files: tuple[Path, ...]
    """What has to be put under the job's address."""


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


def probe_job(
    kernel: str | Path,
    *,
    lab: str,
    url: str,
    out: str | Path,
    probes: str | Sequence[str] = "mounts",
    machine: str = "virt",
    device_type: str = "qemu",
    progress: Progress | None = None,
) -> LabJob:
    """Write a boot with probes as a job of a laboratory: `lava`, or `pull-labs` of KernelCI.

    `out` is a folder; its files have to be put under the address `url`. `device_type` is LAVA's, or the pull
    lab's platform; LAVA's `qemu` boots as bootwright does, any other by U-Boot and TFTP. Results come as KTAP
    on the console, which `read_probe_results` reads. Raises `Refused` and `Missing` for kernels, probes,
    machines and addresses.

        probe_job("debian-6.18-4k", lab="lava", url="https://files.example.org/1", out="job").path
    """
    import yaml

    from bootwright.api.kernels import get_kernel
    from bootwright.foundation.atomic import write_text
    from bootwright.foundation.choices import one_of
    from bootwright.lab.jobs.lava import lava_job
    from bootwright.lab.jobs.parts import KERNEL, RAMDISK, job_parts, write_files
    from bootwright.lab.jobs.pull_labs import pull_labs_job
    from bootwright.lab.probes.boot import probe_names

    one_of(lab, LABS, what="kind of laboratory", kind="kinds")
    wanted = probe_names(texts(probes))
    chosen = get_kernel(
        kernel,
        modules=bool({"overlays", "filesystems", "network"} & set(wanted)),
        progress=reporter(progress),
    )
    parts = job_parts(chosen, wanted, machine, url)
    folder = Path(out)
    write_files(parts, folder)
    if lab == "lava":
        definition, path = lava_job(parts, device_type), folder / "job.yaml"
        text = yaml.safe_dump(definition, sort_keys=False, width=110)
    else:
        definition, path = pull_labs_job(parts, device_type), folder / "job.json"
        text = json.dumps(definition, indent=2) + "\n"
    write_text(path, text)
    return LabJob(definition, path, (folder / KERNEL, folder / RAMDISK))


def read_probe_results(file: str | Path) -> ProbeResults:
    """The results in a console with KTAP, or in a report for KernelCI's database.

    Raises `Missing` and `Malformed`.

        read_probe_results("console.log").verdict
    """
    from bootwright.foundation.errors import Missing
    from bootwright.lab.jobs.results import MOST_BYTES, read_results

    try:
        with Path(file).open("rb") as content:
            data = content.read(MOST_BYTES + 1)
    except OSError as error:
        raise Missing(f"cannot read {file}: {error.strerror}", hint="name a console's log") from error
    return ProbeResults(read_results(data, str(file)))
