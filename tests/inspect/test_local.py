"""Artifacts of registries and web servers where a command needs files: kernels as folders, disk images."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import talos_kit
from ranges_kit import Ranges, serving
from registry_kit import RunningRegistry, digest_of, image, layer, running_registry
from talos_kit import Talos, talos_image

from bootwright import api
from bootwright.cli.main import main
from bootwright.formats.sources.url import open_url
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Lines, Silent
from bootwright.images.parts.kernel_part import kernel_files
from bootwright.inspect.explore import Explorer
from bootwright.inspect.facts import ItemKind
from bootwright.inspect.local import local_image, local_kernel

PARTS = Talos(config="CONFIG_ARM64=y\nCONFIG_MACB=m\n")
RELEASE = PARTS.release


class Notes(Silent):
    """What was said of bytes fetched."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def talos(registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An installer like Talos's for two platforms: a base, tools, and what it installs on top."""
    parts = PARTS
    made = tmp_path_factory.mktemp("parts")
    base = layer({"etc/os-release": b"ID=alpine\n", "usr/bin/busybox": os.urandom(3_000_000)})
    tools = layer({"usr/bin/qemu-img": os.urandom(2_000_000), "usr/share/image.txt": b"no kernel"}, "zstd")
    installed = layer(
        {
            "usr/install/arm64/vmlinuz": talos_kit.kernel(parts),
            "usr/install/arm64/initramfs.xz": talos_kit.initramfs(made, parts),
            "usr/install/arm64/dtb/broadcom/bcm2712-rpi-5-b.dtb": talos_kit.devicetree(parts),
        }
    )
    other = layer({"usr/install/amd64/vmlinuz": os.urandom(1_000_000)})
    images = [image([base, tools, other], "amd64"), image([base, tools, installed])]
    registry.push("siderolabs/installer", "v1.12.1", images)
    return registry.reference("siderolabs/installer", "v1.12.1")


def test_an_installer_is_read_as_far_as_a_boot_takes_something_from_it(talos: str) -> None:
    notes = Notes()
    item = Explorer(progress=notes).artifact(talos)
    (kernel,) = item.of_kind(ItemKind.KERNEL)
    assert kernel.fact("release") == RELEASE
    assert item.of_kind(ItemKind.MODULES)
    (container,) = item.of_kind(ItemKind.CONTAINER)
    assert len(container.fact("layers_not_read")) == 2  # type: ignore[arg-type]
    (said,) = [line for line in notes.lines if "fetched" in line]
    assert "0.0 of 5.0 MB fetched; 1 of 3 layers read, held to their digests" in said


def test_an_imager_holds_kernels_of_two_architectures_and_the_arm64_one_counts(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    """Documentation/arch/x86/boot.rst: the header of a bzImage has HdrS at 0x202."""
    other = Talos(release="6.18.5-amd", modules=("e1000",))
    (tmp_path / "amd64").mkdir()
    (tmp_path / "arm64").mkdir()
    files = {
        "usr/install/amd64/vmlinuz": b"MZ".ljust(0x202, b"\0") + b"HdrS" + os.urandom(5000),
        "usr/install/amd64/initramfs.xz": talos_kit.initramfs(tmp_path / "amd64", other),
        "usr/install/arm64/vmlinuz": talos_kit.kernel(PARTS),
        "usr/install/arm64/initramfs.xz": talos_kit.initramfs(tmp_path / "arm64", PARTS),
    }
    registry.push("siderolabs/imager", "v1", image([layer(files)]))
    reference = registry.reference("siderolabs/imager", "v1")
    item = Explorer().artifact(reference)
    (x86,) = [kernel for kernel in item.of_kind(ItemKind.KERNEL) if kernel.fact("architecture") == "x86"]
    assert not x86.problems
    modules = local_kernel(reference) / "lib/modules"
    assert [path.name for path in modules.iterdir()] == [RELEASE]
    assert not list(modules.rglob("e1000*"))


def test_a_root_file_system_is_read_to_its_lowest_layer(registry: RunningRegistry) -> None:
    """Its modules are in the layers: what a lower one says to modprobe counts."""
    parts = PARTS
    modules = {f"usr/lib/modules/{RELEASE}/kernel/macb.ko": b"\x7fELF"}
    base = layer({"etc/modprobe.d/no.conf": b"blacklist macb\n", "etc/os-release": b"ID=base\n"})
    upper = layer(
        {
            "boot/vmlinuz": talos_kit.kernel(parts),
            "boot/initramfs.img": b"\x1f\x8b\x08" + bytes(10),
            "dtb/bcm2712-rpi-5-b.dtb": talos_kit.devicetree(parts),
            **modules,
        }
    )
    registry.push("team/root", "v1", image([base, upper]))
    item = Explorer().artifact(registry.reference("team/root", "v1"))
    (container,) = item.of_kind(ItemKind.CONTAINER)
    assert container.fact("layers_not_read") is None
    assert [release.fact("id") for release in item.of_kind(ItemKind.OS_RELEASE)] == ["base"]


def test_a_kernel_of_a_registry_is_a_folder_as_its_package_would_be(talos: str, tmp_path: Path) -> None:
    folder = local_kernel(talos)
    assert (folder / "boot/vmlinuz").read_bytes() == talos_kit.kernel(PARTS)
    assert (folder / f"lib/modules/{RELEASE}/kernel").is_dir()
    assert (folder / "dtbs/broadcom/bcm2712-rpi-5-b.dtb").is_file()
    assert local_kernel(talos) == folder
    files = kernel_files(talos, tmp_path, folder=tmp_path, progress=Silent())
    assert (files.release, files.origin) == (RELEASE, talos)
    assert files.modules is not None
    kernel = api.get_kernel(talos)
    assert (kernel.release, kernel.page_size, kernel.name) == (RELEASE, 4096, talos)


def test_a_kernel_of_a_registry_is_given_a_name(talos: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels", "add", talos, "--name", "talos", "--quiet"], standalone_mode=False) == 0
    kernel = api.get_kernel("added-talos", modules=True, offline=True)
    assert (kernel.release, kernel.provenance["file"]) == (RELEASE, talos)
    assert kernel.dtbs is not None
    assert (kernel.dtbs / "broadcom/bcm2712-rpi-5-b.dtb").is_file()
    with pytest.raises(Refused, match="is no name") as refused:
        main(["kernels", "fetch", talos], standalone_mode=False)
    assert "kernels add" in str(refused.value.hint)


def test_an_image_without_a_kernel_is_one_error(registry: RunningRegistry) -> None:
    registry.push("team/nothing", "v1", image([layer({"bin/sh": b"#!"})]))
    reference = registry.reference("team/nothing", "v1")
    with pytest.raises(Missing, match="holds no arm64 kernel"):
        local_kernel(reference)
    command = [sys.executable, "-m", "bootwright", "check", reference, "--board", "raspberrypi-5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    *_, error, hint = done.stderr.strip().splitlines()
    assert "no kernel is among the artifacts" in error
    assert "hint: " in hint


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("siderolabs/installer:v1.12.9", "has no siderolabs/installer:v1.12.9", "did you mean v1.12.1?"),
        (
            f"siderolabs/installer@sha256:{'0' * 64}",
            "has no siderolabs/installer@sha256:000",
            "check the name",
        ),
        ("team/cut:v1", "found", "damaged"),
        ("Team/Cut", "names no container image", "oci://HOST/NAME:TAG"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_a_hint(
    registry: RunningRegistry, talos: str, name: str, message: str, hint: str
) -> None:
    assert talos.startswith(f"oci://{registry.host}/")
    blob = layer({"boot/vmlinuz": os.urandom(100_000)})
    registry.push("team/cut", "v1", image([blob]))
    registry.blob_file(digest_of(blob.data)).write_bytes(blob.data[:50_000])
    command = [sys.executable, "-m", "bootwright", "inspect", "--quiet", f"oci://{registry.host}/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    error, said = done.stderr.strip().splitlines()
    assert error.startswith("bootwright: ")
    assert message in error
    assert hint in said


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, type[Ranges]]]:
    with serving(tmp_path / "www") as running:
        yield running


@pytest.mark.parametrize("ranges", [True, False])
def test_a_disk_image_of_a_web_server_is_fetched_once(
    server: tuple[str, type[Ranges]], tmp_path: Path, *, ranges: bool
) -> None:
    url, handler = server
    handler.ranges = ranges
    data = os.urandom(3_000_000)
    (tmp_path / "www/disk.img").write_bytes(data)
    for _ in range(2):
        file = local_image(f"{url}/disk.img")
        assert (file.name, file.read_bytes()) == ("disk.img", data)
    # Without ranges the second question is answered by the beginning of the file, and broken off.
    assert handler.sent < len(data) * (1.01 if ranges else 2.1)
    with pytest.raises(Missing, match="404"):
        local_image(f"{url}/other.img")


def test_a_server_that_says_nothing_of_changes_is_noted(
    server: tuple[str, type[Ranges]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, handler = server
    handler.etag = ""
    data = os.urandom(1_000_000)
    (tmp_path / "www/disk.img").write_bytes(data)
    for number in range(1, 3):
        assert open_url(f"{url}/disk.img", progress=Lines()).read(0, len(data)) == data
        assert handler.sent > len(data) * number
    assert capsys.readouterr().err.count("no ETag") == 2
    handler.etag = '"one"'
    open_url(f"{url}/disk.img", progress=Lines())
    assert "no ETag" not in capsys.readouterr().err


def test_what_was_read_of_an_image_is_not_fetched_again_with_the_whole(
    server: tuple[str, type[Ranges]], tmp_path: Path
) -> None:
    url, handler = server
    data = os.urandom(3_000_000)
    (tmp_path / "www/disk.img").write_bytes(data)
    source = open_url(f"{url}/disk.img")
    assert source.read(1_000_000, 600_000) == data[1_000_000:1_600_000]
    assert local_image(f"{url}/disk.img").read_bytes() == data
    assert handler.sent < len(data) * 1.01
    # Nor in parts once the whole is there.
    assert open_url(f"{url}/disk.img").read(5, 100) == data[5:105]
    assert handler.sent < len(data) * 1.01


def test_a_disk_image_inside_a_container_image(
    registry: RunningRegistry, tmp_path: Path, talos: str, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = talos_image(tmp_path).read_bytes()
    registry.push("team/disk", "v1", image([layer({"disk/talos.raw.xz": disk, "readme": b"text"})]))
    reference = registry.reference("team/disk", "v1")
    file = local_image(reference)
    assert (file.name, file.read_bytes()) == ("talos.raw.xz", disk)
    assert main(["image", "manifest", reference], standalone_mode=False) == 0
    assert RELEASE in capsys.readouterr().out
    with pytest.raises(Refused, match="holds no disk image"):
        local_image(talos)
