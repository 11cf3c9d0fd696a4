"""Sources beside Debian: keys known by their fingerprint, several sources, files of the user's own."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import talos_kit
from archive_kit import CONFIG, RELEASE, SOURCE, Archive, Opener, Signer, make_deb, make_image
from hypothesis import given
from hypothesis import strategies as st
from registry_kit import Blob, RunningRegistry, digest_of, layer, running_registry
from registry_kit import image as layered
from talos_kit import Talos

from bootwright.cli.main import main
from bootwright.foundation import places
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Silent
from bootwright.kernels.archive.keys import Keys, binary_key, signed_text
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.source import load_source, load_sources


def fingerprint(signer: Signer) -> str:
    listing = signer._gpg("--with-colons", "--list-keys").decode()
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def source_text(signer: Signer, key: str, address: str) -> str:
    """The tiny archive's source without an installed keyring, its key by fingerprint and address."""
    head = f'keys = ["{key}"]\nkey_address = "{address}/key.asc"\narchives = ["{address}"]\n[flavours]'
    text = SOURCE.format(keyring=signer.home / "no-such-keyring").replace("[flavours]", head, 1)
    return text.replace('name = "debian"', 'name = "tiny"').replace("always = true\n", "")


@pytest.fixture
def keyed(signer: Signer, archive: Archive, address: str, tmp_path: Path) -> Path:
    archive.files["key.asc"] = signer._gpg("--armor", "--export")
    path = tmp_path / "keyed.toml"
    path.write_text(source_text(signer, fingerprint(signer), address))
    return path


@pytest.mark.parametrize("armored", [True, False])
def test_a_key_that_is_not_installed_is_fetched_and_held_to_its_fingerprint(
    keyed: Path, signer: Signer, archive: Archive, library: Opener, *, armored: bool
) -> None:
    library()
    if not armored:
        archive.files["key.asc"] = signer.keyring.read_bytes()
    opened = open_library(sources=[keyed], progress=Silent())
    kernel = opened.get("tiny-6.12.1-4k")
    assert kernel.release == RELEASE
    assert fingerprint(signer) in kernel.provenance["index"]
    assert len(archive.asked("key.asc")) == 1
    open_library(sources=[keyed]).get("tiny-6.19.2-16k")
    assert len(archive.asked("key.asc")) == 1  # kept


@pytest.fixture
def stranger() -> Signer:
    made = Signer()
    yield made
    made.close()


def test_an_archive_signed_by_another_key_is_refused_whatever_keyring_comes_with_it(
    keyed: Path, signer: Signer, stranger: Signer, archive: Archive, library: Opener
) -> None:
    library()
    archive.signer = stranger
    archive.publish()
    with pytest.raises(Refused, match=f"with fingerprint {fingerprint(signer)} .*NO_PUBKEY") as refused:
        open_library(sources=[keyed]).listed()
    assert refused.value.hint
    # The same with a keyring that has both keys, as somebody who controls the server would send.
    for path in (keyed.parent / "cache/kernels/keys").iterdir():
        path.unlink()
    archive.files["key.asc"] = signer.keyring.read_bytes() + stranger.keyring.read_bytes()
    with pytest.raises(Refused, match=f"signed by {fingerprint(stranger)}"):
        open_library(sources=[keyed]).listed()


def test_what_is_no_key_is_an_error(keyed: Path, archive: Archive, library: Opener) -> None:
    library()
    archive.files["key.asc"] = b"<html>not found</html>"
    with pytest.raises(Malformed, match=r"key\.asc.*OpenPGP public key"):
        open_library(sources=[keyed]).listed()
    del archive.files["key.asc"]
    with pytest.raises(Missing) as missing:
        open_library(sources=[keyed]).listed()
    assert "install tiny-keyring" in str(missing.value.hint)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_key_are_a_key_or_one_error(data: bytes) -> None:
    try:
        key = binary_key(data, "key")
    except Malformed:
        return
    assert key[0] & 0x80


def test_sqv_serves_where_gpgv_is_not_installed(
    signer: Signer, stranger: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bootwright.foundation import tools

    if tools.find("sqv") is None:
        pytest.skip("sqv is not installed")
    real = tools.find
    monkeypatch.setattr(tools, "find", lambda name: None if name == "gpgv" else real(name))
    text = "Origin: Tiny\n- a dash\nlast: line\n"
    key = fingerprint(signer)
    read, signers = signed_text(signer.clear_sign(text), Keys(signer.keyring, (key,)), "InRelease")
    assert (read.replace("\r\n", "\n"), signers) == (text.rstrip("\n"), (key,))
    detached = signer.detach_sign(text)
    read, signers = signed_text(text.encode(), Keys(signer.keyring), "Release", signature=detached)
    assert (read, signers) == (text, (key,))
    for data, keyring in (
        (signer.clear_sign(text).replace(b"dash", b"bash"), signer.keyring),
        (signer.clear_sign(text), stranger.keyring),
    ):
        with pytest.raises(Refused, match="is not signed by"):
            signed_text(data, Keys(keyring), "InRelease")
    with pytest.raises(Malformed, match="clear-signed"):
        signed_text(b"no message", Keys(signer.keyring), "InRelease")


def test_a_source_is_read_only_when_it_is_asked_for(
    keyed: Path, archive: Archive, library: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library()
    folder = tmp_path / "config/bootwright/kernels"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(keyed.read_text())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    opened = open_library()
    assert opened.listed() == []
    assert not archive.requests
    assert [kernel.name for kernel in opened.listed(["tiny"])] == ["tiny-6.19.2-16k", "tiny-6.12.1-4k"]
    assert opened.resolve("tiny-6.12-4k").name == "tiny-6.12.1-4k"
    with pytest.raises(Refused, match="no kernel source 'tinny'") as refused:
        opened.listed(["tinny"])
    assert "tiny" in str(refused.value.hint)
    with pytest.raises(Refused) as refused:
        opened.get("tinny-6.12-4k")
    assert refused.value.hint == "did you mean tiny-6.12-4k?"


def test_the_command_lists_and_fetches_by_the_source(
    keyed: Path,
    library: Opener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library()
    folder = tmp_path / "config/bootwright/kernels"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(keyed.read_text())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert main(["kernels", "list", "--source", "tiny", "--json", "--quiet"], standalone_mode=False) == 0
    listed = json.loads(capsys.readouterr().out)["kernels"]
    assert {(kernel["name"], kernel["source"]) for kernel in listed} == {
        ("tiny-6.12.1-4k", "tiny"),
        ("tiny-6.19.2-16k", "tiny"),
    }
    assert main(["kernels", "fetch", "tiny-6.12-4k", "--quiet"], standalone_mode=False) == 0


def test_packages_with_more_modules_are_taken_where_the_archive_has_them(
    library: Opener, archive: Archive, source_file: Path
) -> None:
    text = source_file.read_text()
    source_file.write_text(text.replace("front_share = 0.5", 'also = ["linux-modules-extra-{release}"]'))
    name = f"linux-modules-extra-{RELEASE}"
    module = f"usr/lib/modules/{RELEASE}/kernel/drivers/extra.ko"
    archive.add("stable", name, "6.12.1-1", make_deb(name, "6.12.1-1", {module: b"\x7fELF"}))
    archive.publish()
    kernel = library().get("debian-6.12.1-4k", modules=True)
    assert kernel.modules is not None
    assert (kernel.modules / "kernel/drivers/extra.ko").is_file()
    assert (kernel.modules / "kernel/drivers/net/macb.ko").is_file()


def test_the_shipped_sources_name_packages_as_the_archives_do() -> None:
    sources = {source.name: source for source in load_sources()}
    raspberry, ubuntu = sources["raspberrypi"], sources["ubuntu"]
    for package, version, name in (
        ("linux-image-6.18.39+rpt-rpi-v8", "1:6.18.39-1+rpt1", "raspberrypi-6.18.39-4k"),
        ("linux-image-6.12.25+rpt-rpi-2712", "1:6.12.25-1+rpt1", "raspberrypi-6.12.25-16k"),
    ):
        named = raspberry.named("linux-image-{release}", package, version)
        assert named is not None
        assert named.version is not None
        assert raspberry.kernel_name(named.version, named.flavour) == name
    named = ubuntu.named("linux-image-{release}", "linux-image-6.8.0-1031-raspi", "6.8.0-1031.35")
    assert named is not None
    assert named.version is not None
    assert (named.release, ubuntu.kernel_name(named.version, named.flavour)) == (
        "6.8.0-1031-raspi",
        "ubuntu-6.8.0-4k-raspi",
    )


def as_shipped(name: str, signer: Signer, address: str, folder: Path) -> Path:
    """A shipped source at the test's archive and with its key; names, layouts and paths as they are."""
    text = (places.DATA / f"kernels/{name}.toml").read_text()
    for key, value in {
        "origins": '["Tiny"]',
        "keyrings": f'["{folder}/none"]',
        "keys": f'["{fingerprint(signer)}"]',
        "key_address": f'"{address}/key.asc"',
        "archives": f'["{address}"]',
        "suites": '["stable"]',
    }.items():
        text, count = re.subn(rf"^{key} = (\[[^\]]*\]|.*)$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_raspberry_pi_kernel_is_taken_out_of_its_package(
    signer: Signer, archive: Archive, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    archive.files["key.asc"] = signer._gpg("--armor", "--export")
    release = "6.12.47+rpt-rpi-2712"
    blobs, modules = f"usr/lib/linux-image-{release}", f"usr/lib/modules/{release}"
    files = {
        f"boot/config-{release}": CONFIG.format(shift=14).encode(),
        f"boot/vmlinuz-{release}": gzip.compress(make_image(release, 16384), 1),
        f"{blobs}/broadcom/bcm2712-rpi-5-b.dtb": b"\xd0\x0d\xfe\xed",
        f"{blobs}/overlays/disable-bt.dtbo": b"\xd0\x0d\xfe\xed",
        f"{modules}/kernel/drivers/net/ethernet/cadence/macb.ko.xz": os.urandom(500_000),
    }
    for version in ("1:6.12.47-1+rpt1~bookworm", "1:6.12.47-1+rpt1"):
        archive.add(
            "stable", f"linux-image-{release}", version, make_deb(f"linux-image-{release}", version, files)
        )
    archive.publish()
    opened = open_library(sources=[as_shipped("raspberrypi", signer, address, tmp_path)], progress=Silent())
    kernel = opened.get("raspberrypi-6.12-16k")
    assert (kernel.name, kernel.release, kernel.page_size) == ("raspberrypi-6.12.47-16k", release, 16384)
    assert opened.received_bytes < 400_000  # the modules come after
    kernel = opened.get("raspberrypi-6.12-16k", modules=True)
    assert kernel.dtbs is not None
    assert (kernel.dtbs / "overlays/disable-bt.dtbo").is_file()
    assert kernel.modules is not None
    assert next(kernel.modules.rglob("macb.ko.xz"))
    assert "1:6.12.47-1+rpt1," in kernel.provenance[f"package linux-image-{release}"]


def test_an_ubuntu_kernel_is_put_together_from_its_packages(
    signer: Signer, archive: Archive, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    archive.files["key.asc"] = signer._gpg("--armor", "--export")
    for build, abi in (("6.8.0-1010.11", "6.8.0-1010"), ("6.8.0-1031.35", "6.8.0-1031")):
        release = f"{abi}-raspi"
        packages = {
            "linux-image": {f"boot/vmlinuz-{release}": gzip.compress(make_image(release, 4096), 1)},
            "linux-modules": {
                f"boot/config-{release}": CONFIG.format(shift=12).encode(),
                f"lib/firmware/{release}/device-tree/broadcom/bcm2712-rpi-5-b.dtb": b"\xd0\x0d\xfe\xed",
                f"lib/modules/{release}/kernel/drivers/net/macb.ko.zst": b"\x28\xb5\x2f\xfd",
            },
            "linux-modules-extra": {f"lib/modules/{release}/kernel/sound/extra.ko.zst": b"\x28\xb5\x2f\xfd"},
        }
        for kind, members in packages.items():
            name = f"{kind}-{release}"
            archive.add("stable", name, build, make_deb(name, build, members, zstd=True))
    archive.publish()
    opened = open_library(sources=[as_shipped("ubuntu", signer, address, tmp_path)], progress=Silent())
    assert [listed.name for listed in opened.listed()] == ["ubuntu-6.8.0-4k-raspi"]
    assert opened.get("ubuntu-6.8-4k-raspi").release == "6.8.0-1031-raspi"
    kernel = opened.get("ubuntu-6.8-4k-raspi", modules=True)
    assert kernel.config is not None
    assert kernel.dtbs is not None
    assert (kernel.dtbs / "broadcom/bcm2712-rpi-5-b.dtb").is_file()
    assert kernel.modules is not None
    assert sorted(path.name for path in kernel.modules.rglob("*.zst")) == ["extra.ko.zst", "macb.ko.zst"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('keys = ["12AB"]', "no fingerprint of 40 digits"),
        ('key_address = "https://example.org/key"', "key_address without keys"),
        ('keyss = ["x"]', "did you mean"),
    ],
)
def test_a_wrong_source_file_says_what_is_wrong(source_file: Path, line: str, problem: str) -> None:
    source_file.write_text(line + "\n" + source_file.read_text())
    with pytest.raises(BootwrightError) as error:
        load_source(source_file)
    assert problem in f"{error.value} {error.value.hint}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def put(folder: Path, name: str, text: str) -> None:
    place = folder / "config/bootwright/kernels" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


@pytest.fixture
def own_sources(library: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for sources of the user's own, an empty cache, and none of the shipped sources."""
    library()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def push_installer(registry: RunningRegistry, tag: str, parts: Talos, work: Path) -> None:
    work.mkdir()
    layers = [
        layer({"usr/bin/tool": os.urandom(300_000)}),
        layer(
            {
                "usr/install/arm64/vmlinuz": talos_kit.kernel(parts),
                "usr/install/arm64/initramfs.xz": talos_kit.initramfs(work, parts),
                "usr/install/arm64/dtb/bcm2712-rpi-5-b.dtb": talos_kit.devicetree(parts),
            }
        ),
    ]
    registry.push("siderolabs/installer", tag, layered(layers))


def test_a_registry_is_a_source_whose_tags_are_versions(registry: RunningRegistry, own_sources: Path) -> None:
    for tag in ("v1.12.5", "v1.12.6", "v1.13.0-alpha.1", "latest"):
        push_installer(registry, tag, Talos(release=f"6.18.8-{tag.rpartition('.')[2]}"), own_sources / tag)
    text = f"""
        name = "talos"
        title = "Talos"
        source = "https://example.org"
        image = "oci://{registry.host}/siderolabs/installer"
        tags = ["v{{version}}"]
        page_size = 4096
    """
    put(own_sources, "registries/talos.toml", text)
    opened = open_library(progress=Silent())
    assert [(kernel.name, kernel.suite) for kernel in opened.listed(["talos"])] == [
        ("talos-1.12.6-4k", "v1.12.6"),
        ("talos-1.12.5-4k", "v1.12.5"),
    ]
    kernel = opened.get("talos-1.12-4k", modules=True)
    assert (kernel.name, kernel.release, str(kernel.version)) == ("talos-1.12.6-4k", "6.18.8-6", "6.18.8")
    assert kernel.modules is not None
    assert next(kernel.modules.rglob("macb.ko*"))
    assert kernel.dtbs is not None
    assert next(kernel.dtbs.rglob("*.dtb")).name == "bcm2712-rpi-5-b.dtb"
    assert kernel.provenance["pulled"].startswith(
        f"oci://{registry.host}/siderolabs/installer:v1.12.6@sha256:"
    )
    assert "Lower layers not read: 1" in kernel.provenance["verified"]
    assert 0 < opened.received_bytes < 100_000
    # Here now: neither a request nor a list is needed.
    offline = open_library(offline=True)
    assert offline.get("talos-1.12.6-4k").image_sha256 == kernel.image_sha256
    assert [kernel.name for kernel in offline.listed(["talos"])] == ["talos-1.12.6-4k", "talos-1.12.5-4k"]
    with pytest.raises(Missing, match="would have to be fetched"):
        offline.get("talos-1.12.5-4k")
    with pytest.raises(Refused, match=r"talos-1\.11-4k is not, or no longer, in oci://"):
        opened.get("talos-1.11-4k")


def push_package(registry: RunningRegistry, tag: str, kernel: bytes) -> Blob:
    """An image like siderolabs/kernel's: one layer, the kernel first, then devicetrees and modules."""
    files = {"boot/vmlinuz": kernel, "dtb/broadcom/bcm2712-rpi-5-b.dtb": talos_kit.devicetree(Talos())}
    module = "usr/lib/modules/6.18.8-own/kernel/drivers/net/macb.ko"
    whole = layer({**files, module: b"\x7fELF" + os.urandom(4_000_000)})
    registry.push("siderolabs/kernel", tag, layered([layer({"base": b"x" * 100_000}), whole]))
    return whole


PACKAGES = """
    name = "packages"
    title = "Packages"
    source = "https://example.org"
    image = "oci://{host}/siderolabs/kernel"
    tags = ["v{{version}}", "v{{version}}-*-*"]
    page_size = 4096
    front = ["boot/vmlinuz"]
"""


def test_of_a_layer_no_more_is_read_than_the_kernel_at_its_front(
    registry: RunningRegistry, own_sources: Path
) -> None:
    kernel = make_image("6.18.8-own", 4096)
    push_package(registry, "v1.12.0-9-gabcdef0", make_image("6.18.1-older", 4096))
    whole = push_package(registry, "v1.12.0-23-g1b2c3d4", kernel)
    put(own_sources, "registries/packages.toml", PACKAGES.format(host=registry.host))
    opened = open_library(progress=Silent())
    front = opened.get("packages-1.12.0-4k")
    assert (front.release, front.modules) == ("6.18.8-own", None)
    assert "digest was NOT verified" in front.provenance["verified"]
    assert len(kernel) / 2 < opened.received_bytes < len(whole.data) / 2
    received = opened.received_bytes
    # What came goes on where it stopped, is verified as a whole, and is the same kernel.
    entire = opened.get("packages-1.12.0-4k", modules=True)
    assert entire.modules is not None
    assert (entire.modules / "kernel/drivers/net/macb.ko").is_file()
    assert entire.image_sha256 == front.image_sha256
    assert "NOT verified" not in entire.provenance["verified"]
    assert opened.received_bytes - received < len(whole.data) + 10_000


def test_a_front_that_was_not_the_manifest_s_is_found_out_and_forgotten(
    registry: RunningRegistry, own_sources: Path
) -> None:
    other = make_image("6.18.8-own", 4096, size=200_000)
    changed = push_package(registry, "v1.13.0", other)
    right = push_package(registry, "v1.13.0", make_image("6.18.8-own", 4096))
    file = registry.blob_file(digest_of(right.data))
    padded = changed.data + bytes(max(0, len(right.data) - len(changed.data)))
    file.write_bytes(padded[: len(right.data)])
    put(own_sources, "registries/packages.toml", PACKAGES.format(host=registry.host))
    opened = open_library(progress=Silent())
    assert opened.get("packages-1.13.0-4k").release == "6.18.8-own"  # nothing tells yet
    with pytest.raises(Malformed):
        opened.get("packages-1.13.0-4k", modules=True)
    file.write_bytes(right.data)
    with pytest.raises(Malformed, match="the image fetched before"):
        open_library().get("packages-1.13.0-4k", modules=True)
    assert open_library().get("packages-1.13.0-4k", modules=True).modules is not None


def test_a_list_of_addresses_is_a_source_held_to_its_hashes(
    own_sources: Path, archive: Archive, address: str
) -> None:
    image = make_image("6.18.9-own", 16384)
    archive.files["kernels/Image"] = image
    text = f"""
        name = "own"
        title = "Own builds"
        source = "https://example.org"
        [[kernel]]
        version = "6.18.9"
        page_size = 16384
        url = "{address}/kernels/Image"
        sha256 = "{hashlib.sha256(image).hexdigest()}"
    """
    put(own_sources, "addresses/own.toml", text)
    opened = open_library()
    assert [kernel.name for kernel in opened.listed(["own"])] == ["own-6.18.9-16k"]
    kernel = opened.get("own-6.18.9-16k")
    assert (kernel.release, kernel.page_size, kernel.modules) == ("6.18.9-own", 16384, None)
    assert kernel.provenance["verified"].startswith("SHA256 of the whole file")
    with pytest.raises(Refused, match="holds no modules"):
        opened.get("own-6.18.9-16k", modules=True)
    opened.remove("own-6.18.9-16k")
    archive.files["kernels/Image"] = make_image("6.18.9-evil", 16384)
    with pytest.raises(Malformed, match=r"SHA256 .* as the source's file says"):
        open_library().get("own-6.18.9-16k")
    assert open_library(offline=True).store.names() == []


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        (
            "registries/x.toml",
            'image = "https://ghcr.io/x"\ntags = ["v{version}"]\npage_size = 4096',
            "oci://HOST/NAME",
        ),
        (
            "registries/x.toml",
            'image = "oci://ghcr.io/x"\ntags = ["latest"]\npage_size = 4096',
            "without {version}",
        ),
        (
            "registries/x.toml",
            'image = "oci://ghcr.io/x"\ntags = ["{version}"]\npage_size = 4000',
            "pages of 4000",
        ),
        (
            "addresses/x.toml",
            '[[kernel]]\nversion = "6.1"\npage_size = 4096\nurl = "https://x/y"\nsha256 = "abc"',
            "a sha256 'abc'",
        ),
        (
            "addresses/x.toml",
            '[[kernel]]\nversion = "6.1"\npage_size = 4096\nurl = "https://x/y"\nsha265 = "abc"',
            "did you mean sha256?",
        ),
    ],
)
def test_a_wrong_file_of_a_registry_or_address(own_sources: Path, file: str, text: str, problem: str) -> None:
    put(own_sources, file, f'name = "mine"\ntitle = "Mine"\nsource = "https://example.org"\n{text}\n')
    with pytest.raises(Malformed) as error:
        open_library()
    assert problem in f"{error.value} {error.value.hint}"
    assert str(own_sources / "config/bootwright/kernels" / file) in str(error.value)
