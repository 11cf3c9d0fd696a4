"""Images for another architecture: their programs say so."""

from __future__ import annotations

from bootwright.formats.kernel.arm64_image import KernelImage
from bootwright.foundation.errors import Refused
from bootwright.inspect.facts import Item


def refuse_other_machine(item: Item) -> None:
    """Raise `Refused` for an artifact whose EFI programs and kernels are all for another architecture.

    One that has any for arm64 is for arm64, whatever else it can start; one that has none goes with another
    artifact's kernel.
    """
    machines: dict[str, str] = {}
    for child in item.walk():
        machine = child.fact("machine") or child.fact("architecture")
        if machine == "arm64" or isinstance(child.detail, KernelImage):
            return
        if machine:
            machines.setdefault(str(machine), child.name)
    if machines:
        machine, name = next(iter(machines.items()))
        raise Refused(
            f"{item.origin.where} is for {machine} ({name}), not for arm64",
            hint="take the arm64 (aarch64) image of the same release; only arm64 boards are judged",
        )
