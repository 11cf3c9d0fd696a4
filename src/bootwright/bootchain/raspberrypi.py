"""What a Raspberry Pi's firmware starts, per model: a kernel with what it hands over, U-Boot, or UEFI.

Which files it loads is `firmware.files`'s to say; here they become a chain, each with the line of config.txt
that names it. The devicetree with its overlays and parameters is made elsewhere (`firmware.given_tree`); it
is named only where `device_tree` does.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen

from bootwright.bootchain.after_firmware import loader_chains
from bootwright.bootchain.efi.program import is_arm64_kernel, is_u_boot
from bootwright.bootchain.efi.start import efi_chains
from bootwright.bootchain.firmware_models import FirmwareModel
from bootwright.bootchain.model import RASPBERRY_PI, Chain, Part, Stage
from bootwright.bootchain.volumes import Volume, absolute, file_at, open_at, place, text_at, text_or_none
from bootwright.firmware.config_txt import ConfigTxt, Setting, read_config_txt
from bootwright.firmware.files import boot_files

CONFIG = "/config.txt"


@frozen
class Handover:
    """What the firmware of one model starts."""

    program: Part | None
    """The kernel, or a boot loader in its place; None where it finds none."""
    is_kernel: bool = False
    loader: str = ""
    """The loader's name, where it is none."""
    title: str = ""
    initramfs: tuple[Part, ...] = ()
    arguments: str = ""
    command_line: str = ""
    """The path of the file with the command line."""
    devicetree: Part | None = None
    uefi: Part | None = None
    """An `armstub` that is UEFI, where there is no kernel."""
    stopped: str = ""
    """Why nothing starts."""
    unsure: str = ""
    unknown: tuple[str, ...] = field(factory=tuple)

    def signature(self) -> tuple[object, ...]:
        """Equal where two models start the same."""
        parts = (self.program, self.uefi, self.devicetree, *self.initramfs)
        places = tuple(part.place if part is not None else None for part in parts)
        return (*places, self.is_kernel, self.arguments, self.unsure, self.unknown, bool(self.stopped))


def config_volume(volumes: Sequence[Volume]) -> Volume | None:
    """The first volume with config.txt that the firmware can read: FAT, or files without a partition."""
    readable = (volume for volume in volumes if volume.partition is None or volume.files.type == "vfat")
    return next((candidate for candidate in readable if file_at(candidate, CONFIG) is not None), None)


def read_config(volume: Volume) -> ConfigTxt:
    """config.txt with what it includes; empty where there is none. Raises `Malformed`."""
    return read_config_txt(
        text_at(volume, CONFIG) or b"",
        place(volume, CONFIG),
        load=lambda name: text_or_none(volume, f"/{name}"),
    )


def raspberry_pi_chains(
    volumes: Sequence[Volume], volume: Volume, models: Sequence[FirmwareModel]
) -> list[list[Chain]]:
    """What starts, for each group of models that start the same; models that start nothing are left out.

    The first of a group is what starts by itself. Raises `Malformed` for a configuration that cannot be read.
    """
    config = read_config(volume)
    groups: dict[tuple[object, ...], tuple[Handover, list[str]]] = {}
    for model in models:
        outcome = handover(volume, config, model)
        groups.setdefault(outcome.signature(), (outcome, []))[1].append(model.name)
    followed = [(_followed(volumes, volume, outcome), outcome, names) for outcome, names in groups.values()]
    bootable = [(chains, outcome, names) for chains, outcome, names in followed if chains]
    if len(models) == 1 or (len(bootable) == 1 and len(groups) == 1):
        return [chains for chains, _, _ in bootable]
    reasons = {name: outcome.stopped or "nothing bootable follows" for chains, outcome, names in followed
               if not chains for name in names}  # fmt: skip
    return [
        [_for_boards(chain, names, len(bootable), reasons, first=at == 0) for at, chain in enumerate(chains)]
        for chains, _, names in bootable
    ]


def _for_boards(
    chain: Chain, names: list[str], groups: int, reasons: dict[str, str], *, first: bool
) -> Chain:
    unsure = chain.unsure
    if first and not unsure:
        only = ", ".join(dict.fromkeys(names))
        if groups > 1:
            unsure = f"what config.txt starts depends on the board, and this is for {only}"
        elif reasons:
            name, reason = next(iter(reasons.items()))
            unsure = f"it starts only on {only}: on {name}, {reason}"
    return evolve(chain, boards=tuple(dict.fromkeys(names)), unsure=unsure)


def _followed(volumes: Sequence[Volume], volume: Volume, handed: Handover) -> list[Chain]:
    firmware = Stage(RASPBERRY_PI, place(volume, CONFIG))
    if handed.uefi is not None:
        return efi_chains(volumes, [firmware, Stage("UEFI", handed.uefi.place)])
    if handed.program is None:
        return []
    if handed.is_kernel:
        return [
            Chain(
                kind="firmware",
                stages=(firmware,),
                title=handed.title,
                id=handed.program.path.lstrip("/"),
                kernel=handed.program,
                initramfs=handed.initramfs,
                devicetree=handed.devicetree,
                arguments=handed.arguments,
                config=(volume, handed.command_line),
                unsure=handed.unsure,
                unknown=handed.unknown,
            )
        ]
    loader = Stage(handed.loader, handed.program.place)
    chains = loader_chains(volumes, [firmware, loader])
    if not chains:
        return []
    return [evolve(chains[0], unsure=chains[0].unsure or handed.unsure), *chains[1:]]


def handover(volume: Volume, config: ConfigTxt, model: FirmwareModel) -> Handover:
    """What the firmware of the model starts from the volume; raises `Malformed` for a file it cannot read."""
    return _Firmware(volume, config, model).handover()


class _Firmware:
    def __init__(self, volume: Volume, config: ConfigTxt, model: FirmwareModel) -> None:
        self._volume = volume
        self._config = config
        self._facts = model.board.facts
        self._files = boot_files(config, model.board, lambda path: file_at(volume, path) is not None)
        self._unsure: list[str] = []
        self._unknown: list[str] = []

    def handover(self) -> Handover:
        files = self._files
        named = self._setting("kernel", "os_prefix")
        if files.kernel is None:
            return self._without_kernel(named)
        program = self._part(files.kernel, named)
        source = open_at(self._volume, program.path)
        if source is not None and not is_arm64_kernel(source):
            return self._loader(program, certain=is_u_boot(source))
        if not files.long_mode:
            why = f"arm_64bit is not 1, so that {program.place} is started in 32-bit mode"
            return Handover(None, stopped=why)
        text = text_or_none(self._volume, files.arguments)
        if text is None:
            self._unknown.append(f"the command line {place(self._volume, files.arguments)} is not there")
        # One line: what follows it is not passed on.
        arguments = (text or b"").decode("utf-8", "replace").partition("\n")[0].strip(" \t\r\0")
        return Handover(
            program,
            is_kernel=True,
            title=f"config.txt: kernel={named.value}" if named is not None else program.path.lstrip("/"),
            initramfs=self._initramfs(),
            arguments=arguments,
            command_line=files.arguments,
            devicetree=self._devicetree(),
            unsure=next(iter(self._unsure), ""),
            unknown=tuple(self._unknown),
        )

    def _without_kernel(self, named: Setting | None) -> Handover:
        stub = self._setting("armstub")
        if named is not None and named.value:
            return self._missing(self._part(self._files.kernels[0], named), named)
        if stub is not None and stub.value and file_at(self._volume, absolute(stub.value)) is not None:
            return Handover(None, uefi=self._part(absolute(stub.value), stub))
        looked = ", ".join(place(self._volume, kernel) for kernel in self._files.kernels)
        return Handover(None, stopped=f"the firmware finds no kernel ({looked})")

    def _missing(self, program: Part, named: Setting) -> Handover:
        """A kernel that config.txt names and that is not there; a name may say that it is U-Boot."""
        why = f"{program.by} starts {program.place}, which is not there"
        if _called_u_boot(program.path):
            return Handover(program, loader="U-Boot", unsure=why)
        if not self._files.long_mode:
            return Handover(None, stopped=why)
        title = f"config.txt: kernel={named.value}"
        return Handover(program, is_kernel=True, title=title, command_line=self._files.arguments)

    def _loader(self, program: Part, *, certain: bool) -> Handover:
        if certain or _called_u_boot(program.path):
            return Handover(program, loader="U-Boot", unsure=next(iter(self._unsure), ""))
        why = f"{program.place}, which {program.by} starts, is no arm64 kernel; it is taken for a boot loader"
        return Handover(program, loader="boot loader", unsure=why)

    def _part(self, path: str, named: Setting | None) -> Part:
        by = f"{named.file}, line {named.line}" if named is not None else "the firmware's default"
        return Part(self._volume, absolute(path), by)

    def _initramfs(self) -> tuple[Part, ...]:
        named = self._setting("initramfs", "ramfsfile")
        auto = self._setting("auto_initramfs")
        if named is not None and named.value:
            return tuple(self._part(part, named) for part in self._files.initramfs)
        if auto is not None and auto.value == "1" and not self._files.initramfs:
            self._unknown.append(
                f"{auto.file}, line {auto.line}: no initramfs is known to go with the kernel"
            )
        # One that goes with the kernel by its name need not be there.
        parts = (self._part(part, auto) for part in self._files.initramfs)
        return tuple(part for part in parts if part.exists)

    def _devicetree(self) -> Part | None:
        """What `device_tree` names; without it the firmware picks the board's own."""
        named = self._setting("device_tree")
        if named is None or not named.value:
            return None
        return self._part(self._files.devicetree or self._files.devicetrees[0], named)

    def _setting(self, *keys: str) -> Setting | None:
        """The last of the first key's settings (or of keys that stand for the same) that certainly holds.

        One behind it that may hold as well, by a filter on what is not known, makes the answer unsure.
        """
        certain: Setting | None = None
        maybe: list[Setting] = []
        for setting in (candidate for candidate in self._config.settings if candidate.key in keys):
            holds = self._facts.applies(setting.filters)
            if holds is None:
                maybe.append(setting)
            elif holds and (setting.key == keys[0] or setting.key == "ramfsfile"):
                certain, maybe = setting, [candidate for candidate in maybe if candidate.key != setting.key]
        for uncertain in maybe:
            if certain is None or (uncertain.key, uncertain.value) != (certain.key, certain.value):
                where = f"{uncertain.file}, line {uncertain.line}"
                text = f"{where}: {uncertain.key}={uncertain.value} counts if {uncertain.condition} holds"
                (self._unsure if uncertain.key in {"kernel", "os_prefix"} else self._unknown).append(text)
        return certain


def _called_u_boot(path: str) -> bool:
    return "uboot" in path.lower().replace("-", "").replace("_", "")
