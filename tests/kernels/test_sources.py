"""Sources beside Debian: keys known by their fingerprint, several sources, files of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.cli.main import main
from bootwright.foundation.errors import BootwrightError, Malformed, Refused
from bootwright.foundation.progress import Silent
from bootwright.kernels.archive.keys import Keys, binary_key, signed_text
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.source import load_source, load_sources
from conftest import RELEASE, SOURCE, Archive, Opener, Signer, make_deb


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
