"""Questions to an artifact, and its answers as evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from bootwright.diagnose.model import Boot, Evidence, Finding, Stance
from bootwright.evidence.image import Artifact
from bootwright.evidence.needs import Need, needs_of, values_of
from bootwright.evidence.nodes import is_device, node_of
from bootwright.formats.devicetree.fdt import Node, Tree
from bootwright.inspect.facts import ItemKind
from bootwright.predict.rules.knowledge import knowledge

_ROOT = re.compile(r"(?:PARTUUID|UUID|LABEL|PARTLABEL)=\S+")
_PROGRAM = re.compile(r"/\S+")
_MOST_DEVICES = 4
"""Devices of one finding that are looked up."""
_OF_FILE_SYSTEMS = frozenset({"storage", "root"})
_FIRMWARE = frozenset({"firmware-file-missing"})
_PROGRAMS = frozenset({"no-init", "init-program-missing"})
_ROOTS = frozenset({"no-root", "waiting-for-root", "initramfs-gave-up"})
_DAMAGED = frozenset({"initramfs-corrupt", "decompression-failed", "uboot-bad-ramdisk"})


@frozen
class Context:
    """What the questions are about."""

    boot: Boot
    artifact: Artifact
    blobs: frozenset[str]
    """File names of the devicetrees that the board boots with."""
    kernel: Artifact
    """Where the kernel is: a devicetree may be given beside it."""


def about_boot(context: Context) -> Iterator[Evidence]:
    """Whether the log and the artifact belong together at all."""
    boot, artifact = context.boot, context.artifact
    release, build = boot.fact("release"), boot.fact("build")
    if release is not None and artifact.kernels:
        held = next((kernel for kernel in artifact.kernels if kernel.release == release), None)
        where = ", ".join(kernel.where for kernel in artifact.kernels)
        if held is None:
            names = ", ".join(sorted({kernel.release for kernel in artifact.kernels}))
            yield Evidence(
                Stance.REFUTES,
                f"This boot ran Linux {release}, which is not in {artifact.name} (it holds {names}): "
                "the board booted something else, such as an older image.",
                where,
            )
        elif build is not None and held.build is not None and not _same_build(build, held.build):
            yield Evidence(
                Stance.REFUTES,
                f"This boot ran another build of Linux {release} than the one in {artifact.name}: "
                f"`{build}`, not `{held.build}`.",
                held.where,
            )
        else:
            yield Evidence(
                Stance.TELLS, f"The kernel of this boot is the one in {artifact.name}.", held.where
            )
    talos = boot.fact("talos")
    system = artifact.os_version("talos") if talos is not None else None
    if talos is not None and system is not None and talos != system[0].removeprefix("v"):
        yield Evidence(
            Stance.REFUTES,
            f"This boot ran Talos {talos}; {artifact.name} holds Talos {system[0].removeprefix('v')}.",
            system[1],
        )


def about_finding(context: Context, finding: Finding) -> Iterator[Evidence]:
    """Whatever the artifact says of the devices, drivers and files that the finding names."""
    artifact = context.artifact
    for need in needs_of(finding):
        yield from _need(artifact, need)
    if finding.signature in _FIRMWARE:
        yield from _firmware(artifact, values_of(finding, "file"))
    if finding.signature in _PROGRAMS:
        programs = [*values_of(finding, "init"), *values_of(finding, "file")]
        yield from _programs(artifact, [program for program in programs if _PROGRAM.fullmatch(program)])
    if finding.signature in _ROOTS:
        yield from _root(context, finding)
    if finding.signature in _DAMAGED:
        yield from _damaged(artifact)
    for name in (*values_of(finding, "module"), *values_of(finding, "driver")):
        module = name.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
        yield from _module(artifact, module)
    for device in dict.fromkeys(_with_nodes(finding)):
        yield from _device(context, device)


def _with_nodes(finding: Finding) -> list[str]:
    """Names that may be those of nodes; what a file system is on, or mounted on, has none."""
    devices = values_of(finding, "device")
    if finding.area in _OF_FILE_SYSTEMS:
        devices = [name for name in devices if not name.startswith("/")]
    return [name for name in [*values_of(finding, "supplier"), *devices][:_MOST_DEVICES] if is_device(name)]


def _same_build(first_banner: str, other: str) -> bool:
    """Whether two builds may be one; a number (`#1 SMP …`) that only one of them tells says nothing."""
    first, _, rest = first_banner.partition(" ")
    second, _, other_rest = other.partition(" ")
    return rest == other_rest and (first == second or "#" in {first, second})


def _need(artifact: Artifact, need: Need) -> Iterator[Evidence]:
    if need.ask == "page-size":
        for kernel in artifact.kernels:
            if kernel.page_size:
                size = kernel.page_size // 1024
                says = f"The kernel {kernel.release} in {artifact.name} has pages of {size}K."
                yield Evidence(Stance.TELLS, says, f"{kernel.where}: header, flags")
        return
    module = need.module
    config = artifact.config
    value = config.value(need.option) if config is not None and need.option else None
    origin = config.origin if config is not None else artifact.name
    if value == "y":
        yield Evidence(Stance.REFUTES, f"{need.title} is built in: {need.option}=y.", origin)
    elif config is not None and need.option and value is None:
        yield Evidence(
            Stance.CONFIRMS, f"{need.title} is not in this kernel: {need.option} is not set.", origin
        )
    elif module:
        yield from _module(artifact, module, what=need.title, early=need.early)


def _module(artifact: Artifact, module: str, *, what: str = "", early: bool = False) -> Iterator[Evidence]:
    """Where a module is: built in, in the initramfs, in the root file system, nowhere."""
    title = f"{what} (module {module})" if what else f"The module {module}"
    inside, everywhere = artifact.initramfs_modules, artifact.modules
    if inside is not None and module in inside:
        yield Evidence(Stance.TELLS, f"{title} is in the initramfs.", inside[module])
    elif everywhere is not None and module in everywhere:
        only = inside is not None and everywhere is not inside
        early = early and not artifact.root_in_initramfs
        stance = Stance.CONFIRMS if only and early else Stance.TELLS
        # A kernel by itself has no root file system; where its modules end up is not known.
        place = "the root file system" if artifact.given is None else artifact.name
        says = f"{title} is in {place}{' but not in the initramfs' if only else ''}."
        if only and early:
            says += " It is needed before the root file system is there: put it into the initramfs."
        yield Evidence(stance, says, everywhere[module])
    elif everywhere is not None and artifact.built_in(module):
        yield Evidence(
            Stance.TELLS, f"{title} is built into the kernel.", f"{artifact.name}: modules.builtin"
        )
    elif everywhere is not None and what:
        yield Evidence(Stance.CONFIRMS, f"{title} is not in {artifact.name}.", f"{len(everywhere)} modules")


def _firmware(artifact: Artifact, files: list[str]) -> Iterator[Evidence]:
    held = artifact.firmware
    if held is None:
        return
    for file in files:
        name = file.removeprefix("/lib/firmware/")
        if name in held:
            yield Evidence(
                Stance.TELLS,
                f"The firmware file {name} is in {artifact.name}: the driver asked before its file system "
                "was there, or the running system is another.",
                held[name],
            )
        else:
            yield Evidence(
                Stance.CONFIRMS,
                f"The firmware file {name} is not in {artifact.name}.",
                f"{len(held)} files below /lib/firmware",
            )


def _programs(artifact: Artifact, paths: list[str]) -> Iterator[Evidence]:
    for path in paths:
        program = artifact.program(path)
        if program is None:
            continue
        there, where = program
        if there:
            says = f"{path} is in {artifact.name}: look at its interpreter, libraries and architecture."
        else:
            says = f"{path} is not in {artifact.name}."
        yield Evidence(Stance.TELLS if there else Stance.CONFIRMS, says, where)


def _root(context: Context, finding: Finding) -> Iterator[Evidence]:
    artifact = context.artifact
    wanted = _ROOT.findall(context.boot.fact("arguments") or "") + values_of(finding, "device")
    known = {name.lower(): where for name, where in artifact.identities().items()}
    for name in dict.fromkeys(argument for argument in wanted if _ROOT.fullmatch(argument)):
        if not known:
            continue
        where = known.get(name.lower())
        if where is not None:
            yield Evidence(Stance.TELLS, f"{name} is in {artifact.name}.", where)
        else:
            same = [
                identity
                for identity in artifact.identities()
                if identity.startswith(name.partition("=")[0] + "=")
            ]
            yield Evidence(
                Stance.CONFIRMS,
                f"No partition of {artifact.name} is {name}"
                f"{'; there are ' + ', '.join(same[:6]) if same else ''}.",
                artifact.name,
            )


def _damaged(artifact: Artifact) -> Iterator[Evidence]:
    problems = artifact.problems(ItemKind.INITRAMFS)
    for message, where in problems[:2]:
        yield Evidence(Stance.CONFIRMS, f"The initramfs in {artifact.name} is damaged too: {message}.", where)
    if not problems and artifact.count(ItemKind.INITRAMFS):
        yield Evidence(
            Stance.REFUTES,
            f"The initramfs in {artifact.name} is whole: it was damaged on the way, by the loader's address "
            "or size, or the medium.",
            artifact.name,
        )


def _device(context: Context, device: str) -> Iterator[Evidence]:
    """The device's node, and whether the kernel has a driver for it."""
    artifact = context.artifact
    for tree in artifact.trees(context.blobs):
        node = node_of(tree, device)
        if node is None:
            yield Evidence(Stance.CONFIRMS, f"The devicetree has no node for {device}.", tree.name)
        elif not node.available:
            yield Evidence(Stance.CONFIRMS, f"The node of {device} is disabled.", f"{tree.name}: {node.path}")
        else:
            yield from _driver(context.kernel, device, tree, node)
        return
    if artifact.has_devicetrees and context.blobs:
        names = " or ".join(sorted(context.blobs))
        yield Evidence(
            Stance.CONFIRMS, f"{artifact.name} has no {names}, which this board boots with.", artifact.name
        )


def _driver(artifact: Artifact, device: str, tree: Tree, node: Node) -> Iterator[Evidence]:
    facts = artifact.facts
    if facts is None or not node.compatible:
        return
    where = f"{tree.name}: {node.path}"
    names = ", ".join(node.compatible)
    for compatible in node.compatible:
        for candidate in facts.by_compatible(compatible):
            place = facts.where(candidate)
            if facts.initramfs_modules is not None and place.startswith("module: "):
                place += ", not in the initramfs"
            yield Evidence(
                Stance.TELLS, f"{device} ({names}) has a driver: {candidate.driver} ({place}).", where
            )
            return
    arrival = knowledge().arrival(node.compatible)
    option = arrival.option if arrival is not None else None
    more = ""
    if option is not None:
        value = facts.option(option)
        state = "not set" if value == "n" else f"={value}" if value else "its option"
        more = f"; {option} is {state}" if value == "n" else f"; its option is {option}"
        if arrival is not None and arrival.since:
            more += f" (in Linux since {arrival.since})"
    yield Evidence(
        Stance.CONFIRMS, f"No driver in the kernel {facts.release} is for {device} ({names}){more}.", where
    )
