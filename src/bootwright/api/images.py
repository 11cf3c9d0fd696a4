"""Images: composed, changed, verified, listed, booted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.api._common import paths, reporter, texts
from bootwright.foundation.processes.work_folder import temporary_folder

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.image_boot.outcome import Shown
    from bootwright.image_boot.start import Prepared
    from bootwright.images.change.swap import Swapped
    from bootwright.images.compose.compose import Composed
    from bootwright.images.manifest_model import ImageManifest
    from bootwright.images.verify.verify import Verified


def compose_image(
    recipe: str | Path,
    output: str | Path,
    *,
    kernel: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Composed:
    """Make an image from a recipe: a name that comes with bootwright, or a file.

    `output` is compressed where it ends in .xz, .zst or .gz; an existing file is replaced only with `force`.
    `kernel` is taken in place of the recipe's. The manifest is written beside the image.

    Returns a `Composed`: `.image`, `.manifest`, `.size`. Raises `Refused`, `Missing` or `Malformed` for what
    the recipe asks that cannot be, `ToolFailed` where a file system's tool fails; nothing is left then.

        compose_image("talos-standin-grub", "talos.raw").manifest.parts
    """
    from bootwright.foundation import atomic
    from bootwright.images.compose.compose import compose
    from bootwright.images.recipes.reader import find_recipe
    from bootwright.images.recipes.recipe import with_kernel

    chosen = find_recipe(str(recipe))
    if kernel is not None:
        # A path is relative to where the caller runs, not to the recipe.
        path = Path(kernel).expanduser()
        chosen = with_kernel(chosen, str(path.resolve()) if path.exists() else str(kernel))
    atomic.check_new(Path(output), force=force)
    return compose(chosen, Path(output), progress=reporter(progress))


def swap_image(
    image: str | Path,
    output: str | Path,
    *,
    kernel: str | Path | None = None,
    modules: str | Path | None = None,
    add_modules: str | Sequence[str] = (),
    dtbs: str | Path | Sequence[str | Path] = (),
    initramfs: str | Path | None = None,
    cmdline: str | Sequence[str] = (),
    config_txt: str | Sequence[str] = (),
    files: Mapping[str, str | Path] | Sequence[tuple[str, str | Path]] = (),
    remove: str | Sequence[str] = (),
    board: str | None = None,
    force: bool = False,
    any_result: bool = False,
    progress: Progress | None = None,
) -> Swapped:
    """Write a copy of an image with parts of it changed; the image itself is only read.

    `add_modules` names modules that are to be there beside those of the image, where they are replaced.
    `cmdline` holds edits such as `+a -b`, `config_txt` edits such as `[pi5] enable_uart=1`; `files` maps
    `PARTITION:/PATH` to the file to be put there, `remove` names those to be taken away. `board` decides
    where it depends on the board what boots, and the result is judged for it: where a file would not be what
    the boot chain takes it for, or something that `check` does not say fails on the image would fail on the
    result, it is refused, unless with `any_result`. Without
    `board` it is judged for every board that a devicetree of the image is for. An existing output is replaced
    only with `force`.

    Returns a `Swapped`: `.changed`, `.notes`, `.manifest`. Raises `Refused` for a change that cannot be made
    or that breaks something, `Missing` and `Malformed` for the inputs.

        swap_image("talos.raw", "debug.raw", cmdline="+initcall_debug -quiet").changed
    """
    import re

    from attrs import evolve

    from bootwright.boards.model import board as board_named
    from bootwright.foundation import atomic
    from bootwright.images.change.changes import Changes
    from bootwright.images.change.edits import ArgumentEdit, ConfigEdit
    from bootwright.images.change.swap import swap
    from bootwright.inspect.local import local_image

    progress = reporter(progress)
    image, output = local_image(image, progress), Path(output)
    if not (output.exists() and image.exists() and output.samefile(image)):  # swap refuses that itself
        atomic.check_new(output, force=force)
    placed = files.items() if isinstance(files, Mapping) else files
    edits = [word for text in texts(cmdline) for word in re.findall(r'(?:[^\s"]|"[^"]*"?)+', text)]
    changes = Changes(
        kernel=str(kernel) if kernel is not None else None,
        modules=str(modules) if modules is not None else None,
        added_modules=texts(add_modules),
        trees=paths(dtbs),
        arguments=tuple(ArgumentEdit.parse(word) for word in edits),
        config=tuple(ConfigEdit.parse(text) for text in texts(config_txt)),
        initramfs=Path(initramfs) if initramfs is not None else None,
        files=tuple((place, Path(path)) for place, path in placed),
        removed=texts(remove),
        any_result=any_result,
    )
    chosen = board_named(board) if board is not None else None
    if any_result:
        return swap(image, output, changes, board=chosen, progress=progress)
    from bootwright.evidence.chain_files import check_given
    from bootwright.evidence.change import Judge, may_matter

    check_given(changes)
    if not may_matter(changes):
        return swap(image, output, changes, board=chosen, progress=progress)
    judge = Judge(image, chosen, progress, changes)
    made = swap(image, output, changes, board=chosen, judge=judge, progress=progress)
    return evolve(made, notes=(*made.notes, *judge.notes))


def verify_image(
    image: str | Path,
    *,
    expect: str | Sequence[str] = (),
    boards: str | Sequence[str] = (),
    revision: str | None = None,
    stepping: str | None = None,
    goals: str | Sequence[str] = (),
    progress: Progress | None = None,
) -> Verified:
    """Check an image before it is released: structure, boot chain, devicetrees, expected builds.

    `expect` holds `PART=FILE` texts: the build that the part must be. With `boards`, what `check` predicts
    of each stepping and goal is checked too.

    Returns a `Verified`: `.verdict`, `.checks`, `.as_json()`. Raises `Malformed` or `Refused` for what is no
    disk image at all and for unknown names, `Missing` for what is not there.

        verified = verify_image("talos.raw", expect="kernel=build/Image")
        [check for check in verified.checks if check.verdict is Verdict.FAILS]
    """
    from attrs import evolve

    from bootwright.api.asked import asked_boards
    from bootwright.foundation.errors import Refused
    from bootwright.images.verify.verify import verify
    from bootwright.images.verify.verify_expect import Expectation
    from bootwright.inspect.local import local_image

    progress = reporter(progress)
    names, wanted_goals = texts(boards), texts(goals)
    if (wanted_goals or revision or stepping) and not names:
        raise Refused("goals, revision and stepping are a board's", hint="name the board")
    chosen, stepping = asked_boards(names, revision=revision, stepping=stepping, goals=wanted_goals)
    only = chosen[0] if len(chosen) == 1 else None
    expected = [Expectation.parse(text) for text in texts(expect)]
    file = local_image(image, progress)
    result = verify(file, expected=expected, board=only, progress=progress)
    if not chosen:
        return result
    from bootwright.evidence.board_checks import board_checks
    from bootwright.predict.verdicts import Asked

    asked = Asked(wanted_goals, code=int(revision, 16) if revision is not None else None)
    checks = board_checks(file, chosen, stepping, asked, progress)
    return evolve(result, checks=(*result.checks, *checks))


def image_manifest(image: str | Path) -> ImageManifest:
    """What an image is made of, parts inside parts included, with hash, size, version and origin.

    Returns an `ImageManifest`: `.parts`, `.as_json()`. Raises `Missing` or `Malformed`.

        {part.name: part.sha256 for part in image_manifest("talos.raw").parts}
    """
    from bootwright.images.verify.manifest import read_manifest
    from bootwright.inspect.local import local_image

    return read_manifest(local_image(image))


def boot_image(
    image: str | Path,
    *,
    until: str | None = None,
    kernel: str | Path | None = None,
    machine: str = "auto",
    firmware: str = "aavmf",
    keep_cmdline: bool = False,
    timeout: float = 300.0,
    memory: int = 2048,
    cpu: str | None = None,
    network: bool = True,
    keep: str | Path | None = None,
    on_console: Callable[[bytes], None] | None = None,
    progress: Progress | None = None,
) -> Shown:
    """Boot an image in QEMU through its own boot loader; it is never written to.

    `until` is a text on the console, `login`, or `ktap`. `kernel` boots a copy with another kernel and its
    modules. `machine` is `virt`, `raspi3b` or `auto`, `firmware` `aavmf` or `uboot`. `timeout` is in seconds
    of guest time, `memory` in MiB. `keep_cmdline` forbids giving the kernel the machine's console.

    Returns a `Shown`: `.verdict`, `.reason`, `.milestones`, `.diagnosis`. Raises `Refused`, `Missing` and
    `Malformed` before anything is started, `ToolFailed` when QEMU itself fails.

        boot_image("metal-arm64.raw.xz", until="login").verdict
    """

    from bootwright.api.asked import check_chosen_cpu, check_cpu
    from bootwright.image_boot.boot import boot_image as boot_raw
    from bootwright.image_boot.boot import on_disk
    from bootwright.image_boot.goal import Goal
    from bootwright.image_boot.outcome import Hopeless, show
    from bootwright.image_boot.start import chosen_machine, prepared
    from bootwright.inspect.local import local_image
    from bootwright.lab.machines.recording import save

    progress = reporter(progress)
    goal = Goal.parse(until) if until is not None else None
    check_cpu(machine, cpu)
    note_goal(until, progress)
    raw, digest = on_disk(local_image(image, progress), progress)
    chosen = chosen_machine(raw, machine)
    check_chosen_cpu(chosen, cpu)
    with temporary_folder() as folder:
        if kernel is not None:
            raw, digest = on_disk(_with_kernel(raw, str(kernel), folder, progress), progress)
        with prepared(
            raw, machine=chosen, firmware=firmware, keep_cmdline=keep_cmdline, progress=progress
        ) as ready:
            _note_changes(ready, progress)
            with progress.step(f"boot {image} ({ready.firmware.title})"):
                booted = boot_raw(
                    ready.image,
                    firmware=ready.firmware,
                    until=goal,
                    timeout=timeout,
                    memory=memory,
                    cpu=cpu,
                    network=network,
                    on_console=on_console,
                    hopeless=Hopeless(),
                    progress=progress,
                    image_sha256=digest,
                )
            changes = ready.changes
    if keep is not None:
        save(booted.recording, Path(keep))
    return show(booted, changes)


def note_goal(until: str | None, progress: Progress) -> None:
    """Say that a text is waited for, where it is almost the name of a goal: any text may be one."""
    from bootwright.foundation.choices import near
    from bootwright.image_boot.goal import NAMED

    if until is not None and until not in NAMED and until.isalnum():
        meant = near(until, NAMED, most=1)
        if meant:
            progress.note(f"note: {until!r} is waited for as a text on the console; did you mean {meant[0]}?")


def _note_changes(ready: Prepared, progress: Progress) -> None:
    from bootwright.image_boot.stage import HandOver

    if ready.changes:
        progress.note(f"note: booted with {' '.join(ready.changes)} in a copy of the image")
        progress.note("note: this machine lacks the image's console (--keep-cmdline forbids the change)")
    if isinstance(ready.firmware, HandOver):
        for line in ready.firmware.log:
            progress.note(f"  firmware stage: {line}")


def _with_kernel(raw: Path, kernel: str, folder: Path, progress: Progress) -> Path:
    """A copy of the image with another kernel and its modules; beside nothing of the user's."""
    from bootwright.images.change.changes import Changes
    from bootwright.images.change.swap import swap

    made = swap(raw, folder / "swapped.raw", Changes(kernel=kernel), progress=progress)
    for note in made.notes:
        progress.note(f"note: {note}")
    return made.image
