"""What becomes of every node of a devicetree under a kernel?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bootwright.api._common import paths, reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.model import Kernel
    from bootwright.predict.model import NodePrediction

SCHEMA = "bootwright/predict/1"


@frozen
class Predicted:
    """The nodes of a devicetree, in the blob's order."""

    kernel: Kernel
    dtb: Path
    nodes: tuple[NodePrediction, ...]

    def as_json(self) -> dict[str, Any]:
        """The document of docs/schemas/predict.schema.json."""
        return {
            "schema": SCHEMA,
            "kernel": self.kernel.name,
            "release": self.kernel.release,
            "dtb": str(self.dtb),
            "nodes": [node.as_json() for node in self.nodes],
        }


def predict(
    kernel: str | Path,
    dtb: str | Path,
    *,
    overlays: str | Path | Sequence[str | Path] = (),
    initramfs: str | Path | None = None,
    modules: str | Path | None = None,
    config: str | Path | None = None,
    cmdline: str | None = None,
    nodes: str | Sequence[str] = (),
    progress: Progress | None = None,
) -> Predicted:
    """Predict for every node whether a device is made of it, which driver binds, and what it waits for.

    `kernel` is a catalogue name, a .deb, a folder or an arm64 Image; `dtb` the devicetree that Linux gets,
    to which `overlays` are applied in order. `initramfs` says which modules are there early, `modules` is a
    `/lib/modules/RELEASE` folder, `config` the kernel's configuration, `cmdline` its command line. `nodes`
    keeps only those paths.

    Returns a `Predicted`. Raises `Refused` for an unknown kernel or node and for a devicetree of another
    architecture, `Missing` for a file that is not there, `Malformed` for one that is damaged.

        predicted = predict("debian-6.18.15-4k", "bcm2712-rpi-5-b.dtb")
        [node.path for node in predicted.nodes if node.bound.word == "no"]
    """
    from bootwright.boards.architecture import require_arm64
    from bootwright.foundation.choices import no_such
    from bootwright.kernels.configuration.given import read_config
    from bootwright.predict.api import facts_of, read_tree
    from bootwright.predict.api import predict as solve
    from bootwright.predict.given.initramfs import early_modules
    from bootwright.predict.given.inputs import kernel_at
    from bootwright.predict.solving.configured import configured
    from bootwright.predict.start.arguments import Arguments

    dtb = Path(dtb)
    config_path = Path(config) if config is not None else None
    chosen = kernel_at(
        str(kernel),
        reporter(progress),
        modules=Path(modules) if modules is not None else None,
        config=config_path,
    )
    early = early_modules(Path(initramfs)) if initramfs is not None else None
    facts = facts_of(
        chosen,
        early.of(chosen.release) if early is not None else None,
        Arguments(cmdline, "--cmdline") if cmdline is not None else None,
        (early.modprobe if early is not None else None, None),
    )
    if config_path is not None:
        facts = configured(facts, config_path, read_config(config_path, chosen), alone=False)
    tree = read_tree(dtb, paths(overlays))
    require_arm64(tree)
    solved = solve(facts, tree).nodes
    wanted = texts(nodes)
    if wanted:
        known = [node.path for node in solved]
        for path in wanted:
            if path not in known:
                raise no_such(f"{dtb} has no node {path!r}", path, known, kind="nodes")
    kept = tuple(node for node in solved if not wanted or node.path in wanted)
    return Predicted(chosen, dtb, kept)
