"""A whole kernel from Debian's source, built and booted: `make test-slow`; the last results are in docs."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from bootwright import api
from bootwright.foundation.errors import Refused
from bootwright.foundation.verdict import Verdict
from bootwright.workshop.building.model import BuiltKernel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3 * 3600),
    pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="a compiler for arm64"),
]
SOURCE = os.environ.get("BOOTWRIGHT_SLOW_SOURCE", "linux-source-6.12")


def build(page_size: str, **options: object) -> BuiltKernel:
    """In a folder of its own, so that something is built however often this runs."""
    started, cpu = time.monotonic(), os.times()
    built = api.build_kernel(SOURCE, page_size=page_size, **options)  # type: ignore[arg-type]
    now = os.times()
    total = sum(now[:4]) - sum(cpu[:4])
    print(
        f"\n{built.name}: make {built.cpu_seconds:.0f} CPU s, all else {total - built.cpu_seconds:.1f}, "
        f"{time.monotonic() - started:.0f} s wall, reused {built.reused}"
    )
    return built


@pytest.mark.parametrize(
    "presets",
    [
        ("probe", "debug-mounts"),
        ("probe", "debug-drivers"),
        ("talos", "raspberrypi-5"),
        ("board", "raspberrypi-5"),
        ("debian",),
    ],
    ids="+".join,
)
@pytest.mark.parametrize("source", ["linux-source-6.12", "linux-source-7.3"])
def test_every_option_of_the_presets_sticks(source: str, presets: tuple[str, ...]) -> None:
    if source == "linux-source-6.12" and "raspberrypi-5" in presets:
        with pytest.raises(Refused, match="this kernel has no such option"):
            api.configure_kernel(source, presets=presets)
    else:
        assert api.configure_kernel(source, presets=presets).is_file()


@pytest.mark.parametrize("page_size", ["4k", "16k"])
def test_the_probe_preset_boots_the_mounts_probe(page_size: str) -> None:
    # At 4K in the tree that the next test patches, so that it is built once.
    built = build(page_size, patches=() if page_size == "4k" else None)
    booted = api.boot(built.name, probes=("mounts",), cold=True)
    assert booted.verdict is Verdict.FAILS
    errors = {test.name: test.errno for test in booted.runs[0][1].tests}
    assert errors["talos-1.12-etc-hosts"] == "EINVAL"
    assert errors["clone-attached"] is None


def test_a_patch_compiles_only_what_it_touches(tmp_path: Path) -> None:
    plain = build("4k", patches=())
    before = plain.log.read_text().count("\n  CC ")
    patch = tmp_path / "errno.patch"
    source = plain.folder / "source/fs/namespace.c"
    line = next(
        number
        for number, text in enumerate(source.read_text().splitlines(), 1)
        if text == "static struct mount *__do_loopback(struct path *old_path, int recurse)"
    )
    patch.write_text(
        f"--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -{line},1 +{line},2 @@\n+/* a comment */\n"
        " static struct mount *__do_loopback(struct path *old_path, int recurse)\n"
    )
    patched = build("4k", patches=patch)
    lines = patched.log.read_text().splitlines()
    compiled = [text.split()[1] for text in lines if text.startswith("  CC ")][before:]
    assert "fs/namespace.o" in compiled
    assert len(compiled) < 20
