"""A boot with probes as the work of a cell: what is sent, and what a worker does with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from attrs import asdict

from bootwright.foundation.errors import Refused
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import Library, open_library
from bootwright.kernels.model import Kernel
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.boot import plan_boot
from bootwright.lab.snapshots import running
from bootwright.lab.workers.engine import Answer, Work


def boot_work(
    kernel: Kernel,
    library: Library,
    *,
    probe: Sequence[str],
    machine: str,
    modules: bool,
    cold: bool,
) -> Work:
    """What a worker is sent; `modules` says whether the probes need the kernel's."""
    return {
        "kernel": kernel.as_json() | {"stamp": _stamp(kernel.image)},
        "probe": list(probe),
        "machine": machine,
        "modules": modules,
        "cold": cold,
        "archive": library.archive,
        "offline": library.offline,
    }


def perform(work: Work) -> Answer:
    """Boot as `boot_work` says, with the kernel that is at its path, or else fetched by its name.

    Raises `Refused` where what the name stands for here is another kernel, and what fetching and booting
    raise.
    """
    kernel = _kernel(work)
    planned = plan_boot(kernel, probe=work["probe"], machine=work["machine"])
    notes: list[str] = []
    recording = running.run(planned, cold=work["cold"], note=notes.append)
    facts = asdict(recording, recurse=False)
    del facts["console"]
    return Answer(facts, recording.console, tuple(notes))


def recording_of(answer: Answer) -> Recording:
    """The recording in a worker's answer."""
    import cattrs  # which workers do not need, and would wait for

    return cattrs.structure({**answer.facts, "console": answer.console}, Recording)


def _kernel(work: Work) -> Kernel:
    given, sent = work["kernel"], _sent_kernel(work)
    if sent is not None:
        return sent
    library = open_library(archive=work["archive"], offline=work["offline"])
    kernel = library.get(given["name"], modules=work["modules"])
    if kernel.image_sha256 != given["image_sha256"]:
        raise Refused(
            f"{given['name']} is another kernel on this worker ({kernel.image_sha256[:12]}, "
            f"not {given['image_sha256'][:12]})",
            hint="give all workers the same --archive, or one cache",
        )
    return kernel


def _sent_kernel(work: Work) -> Kernel | None:
    """The kernel at the paths that were sent, where this machine has the same files there."""
    given = work["kernel"]
    paths = {name: Path(given[name]) if given[name] else None for name in ("config", "modules", "dtbs")}
    image = Path(given["image"])
    try:
        # Files of the cache never change: the same size and time are those of the sender's own disk.
        same = _stamp(image) == given["stamp"]
        same = same or hashlib.sha256(image.read_bytes()).hexdigest() == given["image_sha256"]
    except OSError:
        return None
    if not same or any(path and not path.exists() for path in paths.values()):
        return None
    version = Version.parse(given["version"]) or Version(given["version"], ((0,), 0))
    return Kernel(
        name=given["name"],
        version=version,
        release=given["release"],
        page_size=given["page_size"],
        image=image,
        image_sha256=given["image_sha256"],
        provenance=given["provenance"],
        **paths,
    )


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
