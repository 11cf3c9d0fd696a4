"""A cell of a campaign, or a kernel with probes, as a job of somebody else's laboratory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.api.campaigning import CampaignCell
    from bootwright.boards.model import Board
    from bootwright.bootchain.model import Chain, Part
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.model import Kernel
    from bootwright.lab.jobs.parts import JobFile, JobParts, Milestone

LABS = ("lava", "pull-labs")
_PULL_EMULATOR = "qemu-arm64"
"""KernelCI's name of its emulated platform."""
_MOST_PART = 1 << 30
"""Bytes of a kernel or initramfs that an image starts."""


@frozen
class LabJob:
    """A job, and what it needs."""

    definition: dict[str, Any]
    path: Path
    """The job's file: YAML for LAVA, JSON for pull labs."""
    files: tuple[Path, ...]
    """What has to be put under the job's address."""


@frozen
class _Asked:
    """What a user asks of a job."""

    lab: str
    url: str
    probes: tuple[str, ...]
    machine: str
    device_type: str | None
    board: str | None
    stepping: str | None
    run: str | Path | None
    image: str | Path | None
    folder: Path
    progress: Progress


def lab_job(
    cell: str | None = None,
    *,
    lab: str,
    url: str,
    out: str | Path,
    kernel: str | Path | None = None,
    run: str | Path | None = None,
    image: str | Path | None = None,
    probes: str | Sequence[str] = "mounts",
    machine: str = "virt",
    board: str | None = None,
    stepping: str | None = None,
    device_type: str | None = None,
    progress: Progress | None = None,
) -> LabJob:
    """Write a cell of a campaign as a job of a laboratory: `lava`, or `pull-labs` of KernelCI.

    `cell` is a name of `status`, its campaign found by `run` as there. An emulated one (`mounts/KERNEL`) is
    its kernel with its probes on its machine. One for a board is the image that was made for it, or `image`:
    LAVA writes it to the board's card and waits for the lines that decide the plan's outcomes; pull labs are
    handed the kernel, initramfs, devicetree and arguments that it starts. Without a cell, `kernel` is booted
    with `probes`: on `machine`, or on a `board`, which gets the kernel's devicetree for it.

    `out` is a folder; its files have to be put under the address `url`. `device_type` is LAVA's, or the pull
    lab's platform [the board file's, else of an emulator]. What comes back is read by `observe_cell` (with
    `results`) and `read_probe_results`. Raises `Refused` and `Missing` for cells, kernels, images and boards.

        lab_job("mounts/debian-6.16.12-16k", lab="lava", url="https://files.example.org/1", out="job").path
    """
    import yaml

    from bootwright.foundation.atomic import write_text
    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Refused
    from bootwright.lab.jobs.lava import lava_job
    from bootwright.lab.jobs.parts import check_address
    from bootwright.lab.jobs.pull_labs import pull_labs_job

    one_of(lab, LABS, what="kind of laboratory", kind="kinds")
    if (cell is None) == (kernel is None):
        raise Refused(
            "it is not said what to boot", hint="name a cell of a campaign, or a kernel: one of them"
        )
    folder = Path(out)
    asked = _Asked(
        lab=lab,
        url=check_address(url),
        probes=texts(probes),
        machine=machine,
        device_type=device_type,
        board=board,
        stepping=stepping,
        run=run,
        image=image,
        folder=folder,
        progress=reporter(progress),
    )
    parts, device = _of_cell(asked, cell) if cell is not None else _of_kernel(asked, str(kernel))
    files = _write_files(parts, folder)
    if lab == "lava":
        definition, path = lava_job(parts, device), folder / "job.yaml"
        text = yaml.safe_dump(definition, sort_keys=False, width=110)
    else:
        definition, path = pull_labs_job(parts, device), folder / "job.json"
        text = json.dumps(definition, indent=2) + "\n"
    write_text(path, text)
    return LabJob(definition, path, tuple(files))


def _write_files(parts: JobParts, folder: Path) -> list[Path]:
    """Put the job's files into a folder, each whole or not at all; their paths there."""
    from bootwright.foundation.atomic import new_file
    from bootwright.images.write.sparse import copy_range

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file in parts.files:
        target = folder / file.name
        if file.source != target:
            with file.source.open("rb") as content, new_file(target) as copy:
                size = os.fstat(content.fileno()).st_size
                os.truncate(copy.fileno(), size)
                copy_range(content.fileno(), 0, size, copy.fileno(), 0)
        written.append(target)
    return written


def _of_kernel(asked: _Asked, name: str) -> tuple[JobParts, str]:
    """A kernel with probes: (the job's parts, the device type)."""
    from bootwright.boards.model import board as board_named
    from bootwright.lab.jobs.lava import QEMU
    from bootwright.lab.jobs.parts import DEVICETREE, probe_parts
    from bootwright.lab.probes.boot import probe_names
    from bootwright.predict.api import dtb_for

    wanted = probe_names(asked.probes)
    board = board_named(asked.board) if asked.board is not None else None
    kernel = _kernel(asked, name, wanted, whole=board is not None)
    devicetree = None
    if board is not None:
        devicetree = _file(DEVICETREE, dtb_for(kernel, board, asked.stepping))
        device = asked.device_type or _device_type(board, asked.lab)
    else:
        device = asked.device_type or (QEMU if asked.lab == "lava" else _PULL_EMULATOR)
    emulated = board is None and device == QEMU
    parts = probe_parts(kernel, wanted, asked.machine, asked.url, emulated=emulated, devicetree=devicetree)
    return parts, device


def _of_cell(asked: _Asked, name: str) -> tuple[JobParts, str]:
    from bootwright.api.campaigning import campaign_cell, campaign_folder

    folder = campaign_folder(asked.run)
    shown = campaign_cell(folder, name)
    if shown.experiment is not None:
        return _of_emulated(asked, name, shown)
    return _of_board(asked, name, shown)


def _of_emulated(asked: _Asked, name: str, shown: CampaignCell) -> tuple[JobParts, str]:
    """An emulated cell: its kernel, its probes, its machine."""
    from bootwright.foundation.errors import Refused
    from bootwright.lab.jobs.lava import QEMU
    from bootwright.lab.jobs.parts import probe_parts
    from bootwright.lab.probes.boot import probe_names

    experiment = shown.experiment
    assert experiment is not None  # noqa: S101 - as its caller saw
    if asked.image is not None or asked.board is not None:
        raise Refused(f"{name} is an emulated cell", hint="--image and --board are for cells of boards")
    wanted = probe_names(experiment.probe)
    if "network" in wanted:
        raise Refused(
            f"{name} needs the network of machine {experiment.machine}, which no job can ask for",
            hint="bootwright investigate runs it here, or on a cluster",
        )
    kernel = _kernel(asked, shown.kernel, wanted, whole=experiment.modules)
    facts = {
        "cell": name,
        "plan": shown.plan.name,
        "devicetree": f"made by machine {experiment.machine}",
        **{factor: level for factor, level in experiment.set.items() if shown.plan.factor[factor].fact == ""},
    }
    parts = probe_parts(
        kernel, wanted, experiment.machine, asked.url, emulated=True, title=name, metadata=facts
    )
    return parts, asked.device_type or (QEMU if asked.lab == "lava" else _PULL_EMULATOR)


def _of_board(asked: _Asked, name: str, shown: CampaignCell) -> tuple[JobParts, str]:
    """A cell of a board: its image, and the lines that decide the plan's outcomes there."""
    from bootwright.api.campaigning import no_image
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.image_boot.boot import on_disk
    from bootwright.images.opened import open_image
    from bootwright.investigate.plans.given import silicon
    from bootwright.lab.jobs.parts import IMAGE, JobFile, JobParts

    if asked.board is not None:
        raise Refused(f"the campaign says which board {name} is for", hint="leave --board out")
    path = Path(asked.image) if asked.image is not None else Path(shown.image) if shown.image else None
    if path is None:
        raise no_image(name, shown)
    if not path.is_file():
        raise Missing(f"there is no image {path}", hint="check the name")
    given = {factor: shown.factors[factor] for factor in shown.plan.given if factor in shown.factors}
    part = silicon(shown.plan, given)
    if asked.device_type is None and part is None:
        raise Missing(f"the plan does not say which board {name} is", hint="give --device-type")
    device = asked.device_type or (_device_type(part.board, asked.lab) if part is not None else "")
    milestones = milestones_of(shown)
    raw, _ = on_disk(path, asked.progress)
    open_image(raw)  # what is no disk goes to no laboratory
    metadata = {"cell": name, "plan": shown.plan.name, **shown.factors}
    tests = tuple(milestone.outcome for milestone in milestones)
    if asked.lab == "lava":
        image = JobFile(IMAGE, raw, _digest(raw))
        parts = JobParts(
            name,
            asked.url,
            tests,
            image=image,
            milestones=milestones,
            tags=tuple(given.values()),
            metadata=metadata,
        )
        return parts, device
    kernel, initramfs, devicetree, arguments = _started(
        raw, part.board if part is not None else None, asked.folder
    )
    parts = JobParts(
        name,
        asked.url,
        tests,
        kernel=kernel,
        ramdisk=initramfs,
        devicetree=devicetree,
        arguments=arguments,
        milestones=milestones,
        metadata=metadata,
    )
    return parts, device


def milestones_of(shown: CampaignCell) -> tuple[Milestone, ...]:
    """What a console shows of the plan's outcomes, in the order in which boots come to it.

    Of signatures only those count that one line decides; whatever else is known of logs is for whoever reads
    the log that comes back. Raises `Refused` where no line decides anything.
    """
    from bootwright.api.cards.observing import outcomes_of_goals
    from bootwright.diagnose.signatures.knowledge import load
    from bootwright.foundation.errors import Refused
    from bootwright.lab.jobs.parts import Milestone
    from bootwright.prepare.knowledge import ANY, PREPARATIONS, proofs

    known = load()
    rules = {signature.name: signature for signature in known.signatures}
    labels = {marker.label: marker.pattern.expression for marker in known.markers.values()}

    def expressions(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            pattern.expression
            for name in names
            if (signature := rules.get(name)) is not None and signature.rule.is_any_line
            for pattern in signature.patterns
            if pattern.name in signature.rule.any_of
        )

    released = shown.plan.released
    preparation = PREPARATIONS.get(released.system if released is not None else ANY)
    goals = outcomes_of_goals(shown.plan)
    milestones = []
    for proof in proofs(preparation):
        works = (*expressions(proof.works), *(labels[label] for label in proof.reached if label in labels))
        if works:
            fails = expressions(proof.fails)
            milestones += [Milestone(outcome, works, fails) for outcome in goals.get(proof.goal, ())]
    if not milestones:
        raise Refused(
            f"no line of a console decides an outcome of {shown.plan.name}",
            hint="its bench experiment has to name `goals`",
        )
    return tuple(milestones)


def _started(
    raw: Path, board: Board | None, folder: Path
) -> tuple[JobFile, JobFile | None, JobFile | None, tuple[str, ...]]:
    """What an image starts by itself: kernel, initramfs, devicetree, arguments; raises `Refused`."""
    from bootwright.bootchain.model import started
    from bootwright.foundation.errors import Refused
    from bootwright.images.opened import open_image
    from bootwright.lab.jobs.parts import DEVICETREE, KERNEL, RAMDISK

    defaults = started(open_image(raw).chains(board))
    chain: Chain | None = defaults[0] if len(defaults) == 1 else None
    if chain is None or chain.kernel is None or chain.unsure:
        why = f": {chain.unsure}" if chain is not None and chain.unsure else ""
        raise Refused(
            f"it is not known which kernel {raw.name} starts{why}",
            hint="bootwright inspect shows what it holds; LAVA takes the whole image: --lab lava",
        )
    kernel = _taken(KERNEL, (chain.kernel,), folder)
    initramfs = _taken(RAMDISK, chain.initramfs, folder) if chain.initramfs else None
    devicetree = _taken(DEVICETREE, (chain.devicetree,), folder) if chain.devicetree is not None else None
    return kernel, initramfs, devicetree, tuple(chain.arguments.split())


def _taken(name: str, parts: Sequence[Part], folder: Path) -> JobFile:
    """Parts of an image as one file: archives of an initramfs follow each other, each at four bytes."""
    from bootwright.foundation.atomic import new_file
    from bootwright.foundation.errors import Refused

    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with new_file(path) as file:
        for part in parts:
            source = part.open()
            if source.size > _MOST_PART:
                raise Refused(f"{part.place} has {source.size >> 20} MiB", hint="no laboratory boots that")
            file.write(source.read(0, source.size))
            file.write(bytes(-source.size % 4) if len(parts) > 1 else b"")
    return _file(name, path)


def _kernel(asked: _Asked, name: str, wanted: Sequence[str], *, whole: bool) -> Kernel:
    from bootwright.api.kernels import get_kernel

    modules = whole or bool({"overlays", "filesystems", "network"} & set(wanted))
    return get_kernel(name, modules=modules, progress=asked.progress)


def _device_type(board: Board, lab: str) -> str:
    from bootwright.foundation.errors import Missing

    if not board.device_type:
        what = "LAVA" if lab == "lava" else "KernelCI"
        hint = "give --device-type, or the board file a device_type"
        raise Missing(f"it is not known what {what} calls {board.name}", hint=hint)
    return board.device_type


def _file(name: str, path: Path) -> JobFile:
    from bootwright.lab.jobs.parts import JobFile

    return JobFile(name, path, _digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
