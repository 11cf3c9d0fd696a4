"""A small kernel made by hand, and devicetrees compiled by dtc: each rule of the kernel on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.formats.kernel.built_in import BuiltIn, Driver, EarlyEntry
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.kernel.match_tables import OfId, PciId
from bootwright.formats.modules.module_index import ModuleIndex, tabulate
from bootwright.foundation import tools
from bootwright.foundation.kept.shelf import Shelf
from bootwright.foundation.versions import Version
from bootwright.predict.goals import predict
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import NodePrediction
from bootwright.predict.rules.knowledge import Knowledge, knowledge
from bootwright.predict.rules.predicates import Given
from bootwright.predict.solving.prediction import Prediction
from bootwright.predict.start.arguments import Arguments


def driver(name: str, *compatibles: str, bus: str = "platform", calls: Sequence[str] = ()) -> Driver:
    return Driver(
        name=name,
        buses=(bus,),
        registered_by=f"{name}_init",
        of=tuple(OfId(compatible) for compatible in compatibles),
        calls=tuple(calls),
    )


def module(name: str, *compatibles: str, bus: str = "platform", **more: object) -> dict[str, object]:
    aliases = [f"of:N*T*C{compatible}" for compatible in compatibles]
    return {
        "path": f"kernel/{name}.ko",
        "name": name,
        "aliases": aliases,
        "depends": [],
        "softdeps": [],
        "softdeps_after": [],
        "firmware": [],
        "vermagic": "6.18.0",
        "calls": [],
        "drivers": [[name, [bus], list(compatibles)]] if compatibles else [],
        **more,
    }


BASE = (
    driver("simple-pm-bus", "simple-pm-bus", "simple-bus", "simple-mfd", calls=["of_platform_populate"]),
    driver("clk", "acme,clk"),
    driver("uart", "acme,uart"),
    driver("i2c", "acme,i2c", calls=["i2c_add_adapter"]),
    driver("mfd", "acme,mfd", calls=["mfd_add_devices"]),
    driver("lone", "acme,lone"),
    driver("host", "acme,pcie", calls=["pci_host_probe"]),
    Driver(name="pcieport", buses=("pci",), pci=(PciId(0xFFFFFFFF, 0xFFFFFFFF, 0x060400, 0xFFFFFF),)),
    Driver(name="uart-pl011", buses=("amba",), amba=((0x00041011, 0x000FFFFF),)),
    driver("gem", "acme,gem"),
)
EARLY = (
    EarlyEntry("clk", "fixed-clock", keeps_device=False),
    EarlyEntry("irqchip", "acme,gic", keeps_device=False),
    EarlyEntry("timer", "acme,timer", keeps_device=True),
)


def make_kernel(
    drivers: Sequence[Driver] = BASE,
    modules: Sequence[dict[str, object]] | None = (),
    *,
    version: str = "6.18.0",
    config: Mapping[str, str] | None = None,
    initramfs: frozenset[str] | None = None,
    page_size: int = 4096,
    arguments: str = "",
) -> KernelFacts:
    facts = KernelFacts(
        name="test",
        release=version,
        version=Version.parse(version),
        built_in=BuiltIn(drivers=tuple(drivers), early=EARLY),
        modules=None
        if modules is None
        else ModuleIndex(Shelf.of(tabulate(list(modules), [], {})), Path("/nonexistent")),
        config_file=None,
        initramfs_modules=initramfs,
        page_size=page_size,
        arguments=Arguments(arguments, "test" if arguments else ""),
    )
    facts.__dict__["config"] = KernelConfig(
        options={name: value for name, value in (config or {}).items() if value != "n"},
        unset=frozenset(name for name, value in (config or {}).items() if value == "n"),
        origin="test",
    )
    return facts


def compile_tree(body: str) -> Tree:
    source = f"/dts-v1/;\n/ {{ #address-cells = <1>; #size-cells = <1>; {body} }};\n"
    blob = tools.run(["dtc", "-q", "-@", "-I", "dts", "-O", "dtb", "-"], input_bytes=source.encode())
    return parse_fdt(blob, "test.dtb")


@pytest.fixture
def solve() -> Callable[..., dict[str, NodePrediction]]:
    """Solve a devicetree's body: path → prediction."""

    def run(
        body: str, kernel: KernelFacts | None = None, known: Knowledge | None = None
    ) -> dict[str, NodePrediction]:
        return {node.path: node for node in whole(body, kernel, known).nodes}

    return run


def whole(
    body: str,
    kernel: KernelFacts | None = None,
    known: Knowledge | None = None,
    given: Given | None = None,
) -> Prediction:
    return predict(kernel or make_kernel(), compile_tree(body), known=known or knowledge(), given=given)
