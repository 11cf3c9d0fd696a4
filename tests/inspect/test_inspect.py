from __future__ import annotations

import contextlib
import gzip
import http.server
import io
import json
import os
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import jsonschema
import pytest
from click.testing import CliRunner
from disk_kit import ROOT, fuzz_target, make_disk, make_fat, run, sparse, stub, tool
from hypothesis import given, settings
from hypothesis import strategies as st
from talos_kit import ESP, LINUX, Talos, devicetree, initramfs, kernel, rootfs, talos_image

from bootwright.cli.inspect import command
from bootwright.foundation.errors import CUT_SHORT, BootwrightError, Malformed, Missing, Refused
from bootwright.inspect.booted import boot_of
from bootwright.inspect.explore import Explorer, Limits
from bootwright.inspect.facts import Item, ItemKind

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "inspect.schema.json").read_text())


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talos_image(tmp_path_factory.mktemp("talos") / "a")


def found(item: Item, kind: str) -> Item:
    items = item.of_kind(ItemKind(kind))
    assert items, f"no {kind} in {[node.kind for node in item.walk()]}"
    return items[0]


def check_talos(item: Item) -> None:
    assert not [problem for node in item.walk() for problem in node.problems]
    linux = found(item, "kernel")
    assert linux.fact("release") == "6.18.5-talos"
    assert linux.fact("page_size") == 4096
    system = found(item, "os-release")
    assert (system.fact("id"), system.fact("version_id")) == ("talos", "v1.12.1")
    modules = found(item, "modules")
    assert modules.fact("release") == "6.18.5-talos"
    assert modules.fact("names") == ["irq_bcm2712_mip", "macb", "rp1_pci"]
    assert found(item, "firmware").fact("names") == ["brcm/brcmfmac.bin"]
    assert found(item, "devicetree").fact("model") == "Raspberry Pi 5 Model B"
    assert found(item, "config-txt").fact("settings") == {
        "[all]": ["kernel=u-boot.bin", "arm_64bit=1", "enable_uart=1"],
        "[pi5]": ["enable_uart=0"],
    }
    entry = found(item, "boot-entry")
    assert entry.fact("kernel") == "/A/vmlinuz"
    assert "console=ttyAMA10,115200" in entry.fact("arguments")  # type: ignore[operator]
    config = found(item, "kernel-config")
    assert config.fact("page_size") == 4096


def test_a_talos_image_is_followed_to_the_os_in_its_squashfs(image: Path) -> None:
    item = Explorer().artifact(str(image))
    check_talos(item)
    assert [part.name for part in item.of_kind(ItemKind.PARTITION)] == [
        "partition 1 (EFI)", "partition 2 (BIOS)", "partition 3 (BOOT)", "partition 4 (META)"
    ]  # fmt: skip
    # Provenance: the container path and offset lead to the very bytes.
    linux = found(item, "kernel")
    assert linux.origin.where == f"{image}:partition 3 (BOOT):/A/vmlinuz"
    system = found(item, "os-release")
    assert system.origin.where.endswith("/A/initramfs.xz:root:/rootfs.sqsh:/usr/lib/os-release")
    assert linux.source is not None
    assert linux.source.read(56, 4) == b"ARM\x64"


@pytest.mark.parametrize("form", ["xz -0 --block-size=4MiB", "zstd -1"])
def test_the_same_image_compressed_says_the_same(image: Path, tmp_path: Path, form: str) -> None:
    name, *options = form.split()
    packed = tmp_path / f"talos.raw.{name}"
    with packed.open("wb") as file:
        subprocess.run([tool(name), *options, "-c", image], stdout=file, check=True)
    item = Explorer().artifact(str(packed))
    assert item.kind == ItemKind.COMPRESSED
    check_talos(item)


def test_the_command_prints_a_tree_and_documented_json(image: Path) -> None:
    shown = CliRunner().invoke(command, [str(image), "-q"], standalone_mode=False)
    assert shown.exception is None
    assert shown.return_value == 0
    assert shown.output.splitlines()[-1] == (
        "boots 6.18.5-talos with 4K pages from /A/vmlinuz (A - Talos v1.12.1), Talos (v1.12.1)"
    )
    for text in ("partition 3 (BOOT)", "6.18.5-talos", "page_size: 4096", "v1.12.1", "[pi5]: enable_uart=0"):
        assert text in shown.output
    printed = CliRunner().invoke(command, [str(image), "-q", "--json"], standalone_mode=False)
    document = json.loads(printed.output)
    jsonschema.validate(document, SCHEMA)
    assert document["artifact"] == str(image)
    assert document["boots"]["kernel"]["path"].endswith("partition 3 (BOOT):/A/vmlinuz")
    assert (document["boots"]["release"], document["boots"]["os_version"]) == ("6.18.5-talos", "v1.12.1")
    where = CliRunner().invoke(command, [str(image), "-q", "--where"], standalone_mode=False)
    assert f"{image}:partition 3 (BOOT):/A/vmlinuz at 0x0" in where.output


def test_every_problem_is_told_and_the_status_says_so(image: Path, tmp_path: Path) -> None:
    copy = tmp_path / "cut.raw"
    run("cp", "--sparse=always", image, copy)
    with copy.open("r+b") as file:
        file.truncate(60 << 20)  # in the middle of BOOT
    shown = CliRunner().invoke(command, [str(copy), "-q", "--json"], standalone_mode=False)
    assert shown.return_value == 1
    document = json.loads(shown.output)
    jsonschema.validate(document, SCHEMA)
    assert CUT_SHORT in shown.output
    assert "Raspberry Pi 5 Model B" in shown.output  # the ESP is still read


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("vmlinuz", kernel(Talos()), "kernel"),
        ("vmlinuz.gz", gzip.compress(kernel(Talos())), "kernel"),
        ("config.txt", b"[pi5]\narm_64bit=1\n", "config-txt"),
        ("grub.cfg", b"linux /vmlinuz quiet\n", "grub-config"),
        ("config-6.12", b"CONFIG_64BIT=y\n", "kernel-config"),
    ],
)
def test_parts_can_be_given_by_themselves(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert Explorer().artifact(str(tmp_path / name)).kind == kind


def test_devicetrees_initramfs_and_directories(tmp_path: Path) -> None:
    talos = Talos()
    (tmp_path / "board.dtb").write_bytes(devicetree(talos))
    assert Explorer().artifact(str(tmp_path / "board.dtb")).fact("compatible") == [
        "raspberrypi,5-model-b", "brcm,bcm2712"
    ]  # fmt: skip
    (tmp_path / "initramfs.xz").write_bytes(initramfs(tmp_path, talos))
    item = Explorer().artifact(str(tmp_path / "initramfs.xz"))
    assert item.kind == ItemKind.INITRAMFS
    assert found(item, "os-release").fact("version_id") == "v1.12.1"
    item = Explorer().artifact(str(tmp_path / "rootfs"))
    assert item.fact("type") == "directory"
    assert found(item, "modules").fact("modules") == 3


def test_symlinks_lead_nowhere_outside_the_artifact(tmp_path: Path) -> None:
    """A directory and an archive whose os-release points at this machine's."""
    folder = tmp_path / "rootfs"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "os-release").symlink_to("/etc/os-release")
    (folder / "lib").symlink_to("/lib")
    (folder / "up").symlink_to("../../../..")
    item = Explorer().artifact(str(folder))
    assert not item.of_kind(ItemKind.MODULES, ItemKind.FIRMWARE)
    # /etc/os-release inside is the link itself: a loop, told and not followed.
    assert "loop" in found(item, "os-release").problems[0].message


def test_a_package_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "root" / "DEBIAN").mkdir(parents=True)
    (tmp_path / "root" / "DEBIAN" / "control").write_text(
        "Package: linux-image\nVersion: 1\nArchitecture: arm64\n"
        "Maintainer: x <x@example.org>\nDescription: x\n"
    )
    (tmp_path / "root" / "boot").mkdir()
    (tmp_path / "root" / "boot" / "vmlinuz-6.18.5").write_bytes(kernel(Talos()))
    (tmp_path / "root" / "usr" / "lib" / "linux-image-6.18.5").mkdir(parents=True)
    for number in range(20):
        folder = tmp_path / "root" / "usr" / "lib" / "linux-image-6.18.5"
        (folder / f"board{number}.dtb").write_bytes(devicetree(Talos(model=f"Board {number}")))
    run("dpkg-deb", "--root-owner-group", "-b", tmp_path / "root", tmp_path / "linux.deb")
    item = Explorer().artifact(str(tmp_path / "linux.deb"))
    assert item.fact("package") == "linux-image"
    assert found(item, "kernel").fact("release") == "6.18.5-talos"
    assert found(item, "devicetrees").fact("devicetrees") == 20
    shown = CliRunner().invoke(command, [str(tmp_path / "linux.deb"), "-q"], standalone_mode=False).output
    assert "and 8 more" in shown


def layer(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def oci_layout(folder: Path) -> Path:
    import hashlib

    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return f"sha256:{digest}"

    lower = layer(boot__vmlinuz=kernel(Talos()), etc__gone=b"x", **{"etc__os-release": b"ID=old\n"})
    upper = layer(**{"etc__os-release": b"ID=talos\nVERSION_ID=v1.13.0\n", "etc__.wh.gone": b""})
    config = {"architecture": "arm64", "os": "linux", "config": {"Labels": {"a": "b"}}}
    manifest = {
        "schemaVersion": 2,
        "config": {"digest": put(json.dumps(config).encode())},
        "layers": [{"digest": put(gzip.compress(lower))}, {"digest": put(upper)}],
    }
    index = {"schemaVersion": 2, "manifests": [{"digest": put(json.dumps(manifest).encode())}]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


@pytest.mark.parametrize("as_tar", [False, True])
def test_container_images_with_deletions_in_upper_layers(tmp_path: Path, *, as_tar: bool) -> None:
    layout = oci_layout(tmp_path / "layout")
    what = layout
    if as_tar:
        what = tmp_path / "image.tar"
        with tarfile.open(what, "w") as archive:
            archive.add(layout, ".")
    item = Explorer().artifact(str(what))
    assert item.kind == ItemKind.OCI_IMAGE
    container = found(item, "container")
    assert container.fact("architecture") == "arm64"
    assert container.fact("files") == 2
    assert found(item, "os-release").fact("version_id") == "v1.13.0"
    assert found(item, "kernel").fact("release") == "6.18.5-talos"
    # A layer whose bytes are not those of its digest is refused.
    blob = max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    assert "sha256" in found(Explorer().artifact(str(layout)), "container").problems[0].message


def test_what_docker_saves(tmp_path: Path) -> None:
    manifest = [{"Config": "c.json", "RepoTags": ["talos:v1"], "Layers": ["one/layer.tar"]}]
    saved = layer(
        **{
            "manifest.json": json.dumps(manifest).encode(),
            "c.json": b'{"architecture": "arm64", "os": "linux"}',
            "one__layer.tar": layer(boot__vmlinuz=kernel(Talos())),
        }
    )
    (tmp_path / "saved.tar").write_bytes(saved)
    item = Explorer().artifact(str(tmp_path / "saved.tar"))
    assert item.fact("layout") == "docker"
    assert found(item, "container").name == "talos:v1"
    assert found(item, "kernel").fact("release") == "6.18.5-talos"


@pytest.mark.parametrize("config", ["text", ["a", "list"], 7, {"digest": ["no", "text"]}])
def test_a_manifest_whose_configuration_is_no_object(tmp_path: Path, config: object) -> None:
    blobs = tmp_path / "image" / "blobs" / "md5"
    blobs.mkdir(parents=True)
    (tmp_path / "image" / "oci-layout").write_text("{}")
    (tmp_path / "image" / "index.json").write_text('{"manifests": [{"digest": "md5:a"}]}')
    (blobs / "a").write_text(json.dumps({"config": config, "layers": []}))
    item = Explorer().artifact(str(tmp_path / "image"))
    assert any("configuration" in problem.message for node in item.walk() for problem in node.problems)


def test_files_that_are_not_what_their_names_say(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(b"\xff" * 4096)
    (tmp_path / "bcm2712-rpi-5-b.dtb").write_bytes(bytes(2000))
    (tmp_path / "d.dtb").touch()
    (tmp_path / "._d.dtb").write_bytes(b"\0\5\x16\7")
    (tmp_path / "image").write_bytes(b"something else")
    item = Explorer().artifact(str(tmp_path))
    messages = [problem.message for node in item.walk() for problem in node.problems]
    assert sorted(message.rpartition("/")[2].split(":")[0] for message in messages) == [
        "bcm2712-rpi-5-b.dtb",
        "d.dtb",
        "vmlinuz",
    ]
    assert [message for message in messages if "an empty file" in message and "a devicetree" in message]


def test_swap_and_btrfs_tell_the_sizes_a_kernel_must_match(tmp_path: Path) -> None:
    run("mkswap", "-p", "16384", "-L", "swap", sparse(tmp_path / "swap.img", 4 << 20))
    item = Explorer().artifact(str(tmp_path / "swap.img"))
    assert (item.kind, item.fact("page_size"), item.fact("label")) == ("swap", 16384, "swap")


class _Server(http.server.SimpleHTTPRequestHandler):
    """Python's own server knows no ranges; this one serves them when asked to."""

    ranges = True
    asked: ClassVar[list[str | None]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range") if self.ranges else None
        self.asked.append(wanted)
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        start, end = 0, len(data) - 1
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last), end)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("ETag", '"one"')
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the client may have what it needs
            self.wfile.write(data[start : end + 1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, type[_Server]]]:
    class Handler(_Server):
        asked: ClassVar[list[str | None]] = []

        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path), **options)  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", Handler
        running.shutdown()


def remote_image(folder: Path) -> Path:
    (folder / "esp").mkdir()
    (folder / "esp" / "config.txt").write_text("[pi5]\na=1\n")
    (folder / "esp" / "vmlinuz").write_bytes(kernel(Talos()))
    (folder / "esp" / "large").write_bytes(os.urandom(12 << 20))
    return make_fat(folder / "esp.img", folder / "esp", 32, 40 << 20)


def test_a_url_is_read_by_ranges_and_only_where_needed(
    tmp_path: Path, server: tuple[str, type[_Server]]
) -> None:
    url, handler = server
    remote_image(tmp_path)
    item = Explorer().artifact(f"{url}/esp.img")
    assert found(item, "kernel").fact("release") == "6.18.5-talos"
    assert None not in handler.asked
    total = 0
    for wanted in handler.asked:
        first, _, last = str(wanted).removeprefix("bytes=").partition("-")
        total += int(last) - int(first) + 1
    assert total < 5 << 20  # of 40 MiB


def test_a_server_without_ranges_is_asked_once(tmp_path: Path, server: tuple[str, type[_Server]]) -> None:
    url, handler = server
    handler.ranges = False
    remote_image(tmp_path)
    for _ in range(2):
        item = Explorer().artifact(f"{url}/esp.img")
        assert found(item, "config-txt").fact("settings") == {"[pi5]": ["a=1"]}
    with pytest.raises(Missing, match="404"):
        Explorer().artifact(f"{url}/none")


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", Malformed), (b"hello world, this is text\n", Refused), (b"\x7fELF" + bytes(600), Refused)],
)
def test_what_is_nothing_known_is_one_error_with_a_hint(
    tmp_path: Path, content: bytes, error: type[BootwrightError]
) -> None:
    (tmp_path / "what").write_bytes(content)
    with pytest.raises(error):
        Explorer().artifact(str(tmp_path / "what"))
    with pytest.raises(Missing) as caught:
        Explorer().artifact(str(tmp_path / "not there"))
    assert caught.value.hint


def test_nesting_and_numbers_are_bounded(tmp_path: Path) -> None:
    data = kernel(Talos())[:200] + os.urandom(200)
    for _ in range(40):
        data = gzip.compress(b"IMG" + data) if len(data) < 100 else gzip.compress(data)
    (tmp_path / "deep.gz").write_bytes(data)
    item = Explorer(limits=Limits(depth=5)).artifact(str(tmp_path / "deep.gz"))
    assert sum(1 for _ in item.walk()) <= 7
    folder = rootfs(tmp_path / "root", Talos())
    for number in range(30):
        (folder / f"config-6.{number}").write_text("CONFIG_64BIT=y\n")
    item = Explorer(limits=Limits(items=10)).artifact(str(folder))
    assert any("more than 10 items" in problem.message for problem in item.problems)


SEEDS = {
    0: devicetree(Talos()),
    1: b"[pi5]\narm_64bit=1\ninclude x\n",
    2: b"menuentry 'a' { linux /k quiet\n initrd /i\n}\n",
    3: gzip.compress(kernel(Talos())),
    4: layer(a__vmlinuz=kernel(Talos())[:5000], **{"etc__os-release": b"ID=x"}),
}


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_to_anything_yields_facts_or_our_error(data: st.DataObject) -> None:
    first = data.draw(st.sampled_from(sorted(SEEDS)))
    changed = bytearray([first]) + SEEDS[first]
    for _ in range(data.draw(st.integers(0, 8))):
        changed[data.draw(st.integers(1, len(changed) - 1))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_explore")(bytes(changed))


@pytest.mark.parametrize("form", ["xz -0 -T1", "zstd -1"])
def test_an_image_is_read_while_it_is_expanded_and_kept_when_whole(tmp_path: Path, form: str) -> None:
    cache = Path(os.environ["BOOTWRIGHT_CACHE"]) / "expanded"
    (tmp_path / "esp").mkdir()
    (tmp_path / "esp" / "vmlinuz").write_bytes(kernel(Talos()))
    (tmp_path / "esp" / "large").write_bytes(os.urandom(3 << 20))
    image = make_fat(tmp_path / "esp.img", tmp_path / "esp", 32, 40 << 20)
    name, *options = form.split()
    packed = tmp_path / f"esp.img.{name}"
    with packed.open("wb") as file:
        subprocess.run([tool(name), *options, "-c", image], stdout=file, check=True)
    for _ in range(2):
        item = Explorer().artifact(str(packed))
        assert found(item, "kernel").fact("release") == "6.18.5-talos"
        kept = list(cache.iterdir())
        assert [path.read_bytes() == image.read_bytes() for path in kept] == [True]
        assert not kept[0].name.startswith("unnamed")
    # Damage after what was looked at is found all the same, and nothing is kept.
    data = packed.read_bytes()
    packed.write_bytes(data[:-400] + bytes(360) + data[-40:])
    kept[0].unlink()
    with pytest.raises(Malformed):
        Explorer().artifact(str(packed))
    assert not list(cache.iterdir())


def metal_image(folder: Path) -> Path:
    """As plain `metal` of Talos: an ESP with systemd-boot's configuration and a UKI; no other partition."""
    talos = Talos(version="v1.13.0")
    parts = {
        ".linux": kernel(talos),
        ".initrd": initramfs(folder, talos),
        ".cmdline": b"talos.platform=metal console=ttyAMA0\0",
        ".osrel": b'ID=talos\nVERSION_ID=v1.13.0\nPRETTY_NAME="Talos (v1.13.0)"\n',
        ".uname": b"6.18.5-talos\n",
        ".dtb": devicetree(talos),
    }
    (folder / "stub.efi").write_bytes(stub())
    options: list[str] = []
    address = 0x10000
    for name, data in parts.items():
        (folder / name[1:]).write_bytes(data)
        options += ["--add-section", f"{name}={folder / name[1:]}"]
        options += ["--change-section-vma", f"{name}={address:#x}"]
        address += (len(data) + 0xFFFF) & ~0xFFFF
    uki = folder / "esp" / "EFI" / "Linux" / "Talos-v1.13.0.efi"
    uki.parent.mkdir(parents=True)
    run("aarch64-linux-gnu-objcopy", *options, folder / "stub.efi", uki)
    (folder / "esp" / "loader" / "entries").mkdir(parents=True)
    (folder / "esp" / "loader" / "loader.conf").write_text("timeout 10\ndefault Talos-*\n")
    (folder / "esp" / "loader" / "entries" / "t.conf").write_text("title Other\nlinux /vmlinuz\noptions x\n")
    (folder / "esp" / "EFI" / "BOOT").mkdir()
    (folder / "esp" / "EFI" / "BOOT" / "BOOTAA64.efi").write_bytes(stub())
    fat = make_fat(folder / "esp.img", folder / "esp", 32, 60 << 20)
    return make_disk(folder / "metal.raw", ((fat, ESP, "EFI", 60), (None, LINUX, "META", 1)))


def test_a_uki_on_an_esp_is_taken_apart(tmp_path: Path) -> None:
    item = Explorer().artifact(str(metal_image(tmp_path)))
    assert not [problem for node in item.walk() for problem in node.problems]
    uki = found(item, "uki")
    assert uki.name == "/EFI/Linux/Talos-v1.13.0.efi"
    assert uki.fact("machine") == "arm64"
    assert uki.fact("uname") == "6.18.5-talos"
    assert found(uki, "kernel").fact("page_size") == 4096
    assert found(uki, "command-line").fact("arguments") == ["talos.platform=metal", "console=ttyAMA0"]
    assert found(uki, "devicetree").fact("model") == "Raspberry Pi 5 Model B"
    # The section says which system it boots, and so does the squashfs in its initramfs.
    assert [item.fact("version_id") for item in uki.of_kind(ItemKind.OS_RELEASE)] == ["v1.13.0", "v1.13.0"]
    assert found(uki, "modules").fact("modules") == 3
    assert found(item, "loader-config").fact("default") == "Talos-*"
    assert found(item, "loader-entry").fact("kernel") == "/vmlinuz"
    assert found(item, "efi").name == "/EFI/BOOT/BOOTAA64.efi"
    boot = boot_of(item)
    assert boot.kernel.name == ".linux"
    assert boot.arguments == "talos.platform=metal console=ttyAMA0"
    assert boot.initramfs is not None


def test_one_part_named_many_times_does_not_keep_us_busy(tmp_path: Path) -> None:
    """Sixteen partitions over one file system: each is a problem once the budget is used up."""
    (tmp_path / "esp").mkdir()
    for number in range(50):
        (tmp_path / "esp" / f"file{number}").write_bytes(b"x")
    (tmp_path / "esp" / "vmlinuz").write_bytes(kernel(Talos()))
    fat = make_fat(tmp_path / "esp.img", tmp_path / "esp", 16, 16 << 20)
    image = make_disk(tmp_path / "disk.img", ((fat, ESP, "A", 16), *((None, LINUX, "B", 1),) * 15))
    with image.open("r+b") as file:
        file.seek(1024)
        entry = file.read(128)
        for number in range(1, 16):
            file.seek(1024 + 128 * number)
            file.write(entry)
        file.seek(1024)
        entries = file.read(128 * 128)
        file.seek(512)
        header = bytearray(file.read(92))
        header[88:92] = zlib.crc32(entries).to_bytes(4, "little")
        header[16:20] = bytes(4)
        header[16:20] = zlib.crc32(header).to_bytes(4, "little")
        file.seek(512)
        file.write(header)
    for limits, message in (
        (Limits(entries=200), "more than"),
        (Limits(expanded=300_000), "more than 300000 bytes to expand"),
    ):
        item = Explorer(limits=limits).artifact(str(image))
        problems = [problem.message for node in item.walk() for problem in node.problems]
        assert len(item.of_kind(ItemKind.PARTITION)) == 16
        assert any("overlap" in problem for problem in problems)
        assert any(message in problem for problem in problems)
        assert 0 < sum(child.detail is not None for child in item.of_kind(ItemKind.KERNEL)) <= 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2023/10/30 16:45:10\nversion 30de0ba5 (release)\ntimestamp 1698684310\n", "made: 2023-10-30"),
        ("[all]\nBOOT_UART=1\nBOOT_ORDER=0xf461\n", "boot_order: sd, nvme, usb, restart"),
    ],
)
def test_what_a_board_says_of_its_eeprom_is_read(tmp_path: Path, text: str, shown: str) -> None:
    """By its text alone, in a file that is given by itself: `check` takes it too."""
    (tmp_path / "told").write_text(text)
    result = CliRunner().invoke(command, [str(tmp_path / "told"), "-q"])
    assert result.exit_code == 0
    assert "eeprom" in result.output
    assert shown in result.output
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/told").write_text(text)
    assert not Explorer().artifact(str(tmp_path / "folder")).of_kind(ItemKind.EEPROM)


def test_an_initramfs_that_cannot_be_read_is_said_with_what_boots(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(kernel(Talos()))
    (tmp_path / "extlinux").mkdir()
    entry = "label a\n kernel /vmlinuz\n initrd /some.data\n append quiet\n"
    (tmp_path / "extlinux/extlinux.conf").write_text(entry)
    (tmp_path / "some.data").write_bytes(b"overlay:\n  name: rpi_5\n")
    boot = boot_of(Explorer().artifact(str(tmp_path)))
    assert boot.initramfs is None
    assert boot.missing == (
        "/some.data, which /extlinux/extlinux.conf, line 3 names, is no initramfs that can be read",
    )
    result = CliRunner().invoke(command, [str(tmp_path), "-q"])
    assert "is no initramfs that can be read" in result.output


def test_what_a_profile_does_not_state_is_not_shown(tmp_path: Path) -> None:
    import pe_kit

    from bootwright.images.write.uki import NewSection, add_sections

    sections = (
        (".linux", kernel(Talos())),
        (".profile", b"ID=main\n"),
        (".profile", b"ID=reset\nTITLE=Reset\n"),
        (".cmdline", b"wipe"),
    )
    uki = add_sections(pe_kit.efi_program(), [NewSection(*section) for section in sections], "kit")
    (tmp_path / "kit.efi").write_bytes(uki)
    result = CliRunner().invoke(command, [str(tmp_path / "kit.efi"), "-q"])
    assert "signed: no" in result.output
    assert "profiles: number: 0 id: main arguments:" in result.output
    assert "number: 1 id: reset title: Reset arguments: wipe" in result.output
