"""The fewest patches over Linux itself, each kernel built from Debian's source and booted: `make test-slow`.

The last results are in docs/kernel-minimise.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from series_kit import GOAL, NEEDED, SMALLER, make_series

from bootwright import api
from bootwright.api.workshop.building import order_of
from bootwright.foundation.progress import Lines

SOURCE = "linux-source-6.12"
PROGRAMS = ("make", "flex", "bison", "bc", "aarch64-linux-gnu-gcc", "qemu-system-aarch64")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.boot,
    pytest.mark.download,
    pytest.mark.timeout(6 * 3600),
    pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"{', '.join(PROGRAMS)} build and boot"),
]


@pytest.mark.parametrize("pages", ["4k", "16k"])
def test_three_of_twenty_four(pages: str, tmp_path: Path) -> None:
    """What Talos 1.12 needs of a kernel before 6.15, found among decoys; with both page sizes the same."""
    fragment = tmp_path / "smaller.config"
    fragment.write_text(SMALLER)
    order = order_of(
        SOURCE,
        page_size=pages,
        fragments=fragment,
        patches=(),
        presets="probe",
        name=None,
        toolchain="gcc",
        devicetrees=False,
        jobs=None,
        archive=None,
        offline=False,
        progress=Lines(),
    )
    make_series(order.tree.folder, tmp_path / "series")
    command = [
        *(sys.executable, "-m", "bootwright", "kernel", "minimise", "--base", SOURCE, "--goal", GOAL),
        *("--series", str(tmp_path / "series"), "--page-size", pages, "--fragment", str(fragment)),
        *("--out", str(tmp_path / "run"), "--json"),
    ]
    before = os.times()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == api.Verdict.WORKS.exit_status
    document = json.loads(done.stdout)
    used = os.times()
    spent = used.children_user + used.children_system - before.children_user - before.children_system
    wall = used.elapsed - before.elapsed
    print(f"\n{pages}: {document['builds']} kernels, {spent:.0f} CPU s, {wall:.0f} s wall")
    assert tuple(document["kept"]) == NEEDED
    assert document["builds"] <= 16
