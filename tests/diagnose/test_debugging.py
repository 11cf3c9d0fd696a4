"""What is advised to see more is what that kernel can do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bootwright.diagnose.debugging import has_dynamic_debug, suited, systems, without_dynamic_debug
from bootwright.diagnose.engine import diagnose_bytes
from bootwright.foundation.places import DATA
from bootwright.kernels.catalogue import open_library

FAILURE = b"[    1.0] macb 1f00100000.ethernet: probe with driver macb failed with error -22\n"
SIGNATURES = sorted((DATA / "signatures").glob("*/signature.toml"))


def log(release: str, more: bytes = b"") -> bytes:
    return f"[    0.0] Linux version {release} (a@b) (gcc) #1 SMP\n".encode() + more + FAILURE


def advice(data: bytes, option: dict[str, str] | None = None) -> str:
    diagnosis = suited(diagnose_bytes(data), option.get if option is not None else None)
    assert diagnosis.boots[0].findings
    texts = [finding.kernel_arguments for finding in diagnosis.boots[0].findings]
    return "\n".join([*texts, *(gap.get_it for gap in diagnosis.boots[0].gaps)])


@pytest.mark.parametrize(
    ("data", "option"),
    [
        (log("6.18.5-talos"), None),
        (b"[    0.1] [talos] [initramfs] booting Talos v1.12.3\n" + FAILURE, None),
        (log("6.18.5-own"), {"DYNAMIC_DEBUG": "n"}),
        (log("6.18.5+deb13-arm64"), {"DYNAMIC_DEBUG": "n"}),
        (
            log(
                "6.18.5-own",
                b'[    0.0] Unknown kernel command line parameters "dyndbg=file dd.c +p x=1", '
                b"will be passed to user space.\n",
            ),
            None,
        ),
    ],
)
def test_a_kernel_without_dynamic_debug(data: bytes, option: dict[str, str] | None) -> None:
    text = advice(data, option)
    assert "dyndbg" not in text
    assert "initcall_debug ignore_loglevel" in text


@pytest.mark.parametrize(
    "release", ["6.18.5+deb13-arm64-16k", "6.1.0-56-cloud-arm64", "6.1.0-0.deb11.44-arm64"]
)
def test_a_kernel_with_it(release: str) -> None:
    text = advice(log(release))
    assert 'dyndbg="' in text
    assert "initcall_debug" not in text
    assert "dyndbg" in advice(log("6.18.5-talos"), {"DYNAMIC_DEBUG": "y"})


def test_a_kernel_of_which_nothing_is_known() -> None:
    diagnosis = suited(diagnose_bytes(log("6.18.5-own")))
    assert has_dynamic_debug(diagnosis.boots[0]) is None
    for gap in diagnosis.boots[0].gaps:
        assert ("dyndbg" in gap.get_it) == ("without CONFIG_DYNAMIC_DEBUG" in gap.get_it)
    assert any("dyndbg" in gap.get_it for gap in diagnosis.boots[0].gaps)


@pytest.mark.parametrize(("release", "able"), [("6.18.5-talos", False), ("6.18.5+deb13-arm64", True)])
def test_a_remedy_names_it_only_to_a_kernel_with_it(release: str, able: bool) -> None:
    path = DATA / "signatures/device-troubled/golden/usb-host-loses-transfers/console.log"
    diagnosis = suited(diagnose_bytes(path.read_bytes().replace(b"6.12.5-test", release.encode())))
    (text,) = (
        finding.remedy for finding in diagnosis.boots[0].findings if finding.signature == "device-troubled"
    )
    assert ("dyndbg=" in text, "xhci.c: look for changes" in text) == (able, True)


def test_every_signature_has_advice_for_both() -> None:
    for path in SIGNATURES:
        match = re.search(r"(?m)^kernel_arguments = (\".*\")$", path.read_text())
        if match is None:
            continue
        text = match[1][1:-1].replace('\\"', '"')
        other = without_dynamic_debug(text)
        assert "dyndbg" not in other
        assert ("dyndbg" in text) == (other != text)
        assert other.strip()


@pytest.mark.download
@pytest.mark.parametrize("name", ["debian-6.1-4k", "debian-6.12-4k-cloud"])
def test_what_is_known_of_a_system_is_what_its_kernel_says(name: str) -> None:
    from bootwright.formats.kernel.config import read_kernel_config
    from bootwright.formats.sources.bytesource import FileBytes

    kernel = open_library().get(name)
    assert kernel.config is not None
    config = read_kernel_config(FileBytes(kernel.config))
    (system,) = [system for system in systems() if system.release.search(kernel.release)]
    assert {key: config.value(f"CONFIG_{key}") or "n" for key in system.options} == system.options


def test_through_the_command(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(log("6.18.5-talos"))
    command = [
        sys.executable,
        "-m",
        "bootwright",
        "diagnose",
        str(tmp_path / "log"),
        "--board",
        "raspberrypi-5",
    ]
    text = subprocess.run(command, capture_output=True, check=False, text=True).stdout
    assert "dyndbg" not in text
    assert "initcall_debug" in text
    folder = tmp_path / "kernel"
    (folder / "boot").mkdir(parents=True)
    lines = "".join(f"CONFIG_X{number}=y\n" for number in range(40))
    (folder / "boot/config-6.18.5-talos").write_text(
        f"# Linux/arm64 6.18.5 Kernel Configuration\nCONFIG_ARM64=y\n{lines}CONFIG_DYNAMIC_DEBUG=y\n"
    )
    text = subprocess.run([*command, "--with", folder], capture_output=True, check=False, text=True)
    assert "dyndbg" in text.stdout, text.stderr
