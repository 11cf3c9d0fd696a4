"""A kernel accepts its own modules and no others: releases, signatures made by OpenSSL, keys in the image."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from pathlib import Path

import image_kit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.signing.kernel_keys import RsaKey, certificates, read_certificate
from bootwright.formats.signing.module_signature import MAGIC, read_signature
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused
from bootwright.images.parts.module_gate import Enforcement, ModuleGate, enforcement

MODULE = image_kit.module(text=b"code" * 100)
ON = Enforcement(True, "CONFIG_MODULE_SIG_FORCE=y", checks=True)
OFF = Enforcement(False, "it does not insist", checks=True)


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (("rsa", "rsa:2048"), ("other", "rsa:2048"), ("ec", "ec")):
        curve = ("-pkeyopt", "ec_paramgen_curve:secp384r1") if kind == "ec" else ()
        openssl(
            *(
                "req",
                "-x509",
                "-newkey",
                kind,
                *curve,
                "-nodes",
                "-keyout",
                f"{name}.key",
                "-out",
                f"{name}.pem",
            ),
            *("-subj", f"/O=Kit/CN=kit {name}", "-days", "3650"),
            folder=folder,
        )
        openssl("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der", folder=folder)
    return folder


def signed(folder: Path, name: str, *options: str, module: bytes = MODULE, noattr: bool = True) -> bytes:
    """As scripts/sign-file does it."""
    (folder / "module").write_bytes(module)
    openssl(
        *("cms", "-sign", "-binary", "-in", "module", "-signer", f"{name}.pem", "-inkey", f"{name}.key"),
        *("-nocerts", "-outform", "DER", "-out", "signature", "-nosmimecap"),
        *(["-noattr"] if noattr else []),
        *(options or ("-md", "sha512")),
        folder=folder,
    )
    signature = (folder / "signature").read_bytes()
    return module + signature + struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(signature)) + MAGIC


def gate(folder: Path, *names: str, enforced: Enforcement = ON) -> ModuleGate:
    certificate_list = b"".join((folder / f"{name}.der").read_bytes() for name in names)
    image = image_kit.kernel_image(filler=bytes(77) + certificate_list)
    return ModuleGate(Bytes(image, "kernel"), image_kit.RELEASE, enforced)


def test_the_certificates_in_an_image_are_found(keys: Path) -> None:
    trusted = gate(keys, "rsa", "ec").keys
    assert [key.name for key in trusted] == ["kit rsa", "kit ec"]
    assert isinstance(trusted[0].key, RsaKey)
    assert trusted[0].key.modulus.bit_length() == 2048
    assert all(key.key_id and len(key.key_id) == 20 for key in trusted)
    assert certificates(b"nothing" * 100) == []


@pytest.mark.parametrize("options", [(), ("-md", "sha256"), ("-md", "sha384", "-keyid"), ("-md", "sha3-256")])
def test_a_module_signed_by_a_key_in_the_kernel_is_accepted(keys: Path, options: tuple[str, ...]) -> None:
    gate(keys, "other", "rsa").check("m.ko", signed(keys, "rsa", *options))


def test_signed_attributes_are_followed_to_the_module(keys: Path) -> None:
    module = signed(keys, "rsa", noattr=False)
    gate(keys, "rsa").check("m.ko", module)
    with pytest.raises(Refused, match="changed since kit rsa signed it"):
        gate(keys, "rsa").check("m.ko", module.replace(b"code", b"c0de", 1))


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_every_curve_of_the_kernel_is_known(tmp_path: Path, curve: str) -> None:
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes"),
        *("-keyout", "ec.key", "-out", "ec.pem", "-subj", "/CN=kit"),
        folder=tmp_path,
    )
    openssl("x509", "-in", "ec.pem", "-outform", "DER", "-out", "ec.der", folder=tmp_path)
    for number in range(3):
        module = MODULE + bytes([number])
        good = signed(tmp_path, "ec", module=module)
        gate(tmp_path, "ec").check("m.ko", good)
        with pytest.raises(Refused, match="changed since"):
            gate(tmp_path, "ec").check("m.ko", good.replace(b"code", b"c0de", 1))


@pytest.mark.parametrize("name", ["rsa", "ec"])
def test_what_a_kernel_that_insists_refuses(keys: Path, name: str) -> None:
    good = signed(keys, name)
    kernel = gate(keys, name)
    kernel.check("m.ko", good)
    with pytest.raises(Refused, match=r"not signed .CONFIG_MODULE_SIG_FORCE=y"):
        kernel.check("m.ko", MODULE)
    with pytest.raises(Refused, match=r"a key that the kernel does not have .*; it has those of: kit other"):
        gate(keys, "other").check("m.ko", good)
    with pytest.raises(Refused, match="changed since"):
        kernel.check("m.ko", good.replace(b"code", b"c0de", 1))
    with pytest.raises(Refused, match=r"built for 6\.18\.5-kit"):
        ModuleGate(Bytes(image_kit.kernel_image("6.18.6"), "k"), "6.18.6", OFF).check("m.ko", good)
    with pytest.raises(Refused, match="PKCS"):
        kernel.check("m.ko", MODULE + b"x" * 40 + MAGIC)
    relaxed = gate(keys, name, enforced=OFF)
    relaxed.check("m.ko", MODULE)
    gate(keys, "other", enforced=OFF).check("m.ko", good)
    # A kernel that looks at signatures refuses a wrong one of a key it has, whether it insists or not.
    with pytest.raises(Refused, match="changed since"):
        relaxed.check("m.ko", good.replace(b"code", b"c0de", 1))
    gate(keys, name, enforced=Enforcement(False, "no CONFIG_MODULE_SIG", checks=False)).check(
        "m.ko", good.replace(b"code", b"c0de", 1)
    )


def test_every_module_is_looked_at(keys: Path, tmp_path: Path) -> None:
    paths = []
    for number in range(60):
        paths.append(tmp_path / f"m{number}.ko")
        paths[-1].write_bytes(MODULE)
    kernel = gate(keys, enforced=OFF)
    assert kernel.check_files(paths) == "all 60 modules were built for it; it does not insist"
    paths[41].write_bytes(MODULE.replace(b"6.18.5-kit", b"6.12.1-old"))
    with pytest.raises(Refused, match=r"m41\.ko: it was built for '?6\.12\.1-old"):
        kernel.check_files(paths)


@pytest.mark.parametrize(
    ("config", "arguments", "on"),
    [
        ("CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_FORCE=y\n", [], True),
        ("CONFIG_MODULE_SIG=y\n", [], False),
        ("CONFIG_MODULE_SIG=y\n", ["module.sig_enforce=1"], True),
        ("CONFIG_MODULE_SIG=y\n", ["lockdown=integrity"], True),
        ("CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y\n", [], True),
        ("CONFIG_MODULES=y\n", ["module.sig_enforce=1"], False),
    ],
)
def test_when_a_kernel_insists(config: str, arguments: list[str], on: bool) -> None:
    assert enforcement(read_kernel_config(Bytes(config.encode(), "config")), arguments).on is on


@settings(max_examples=200)
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=4))
def test_any_change_of_a_signature_is_refused_or_read(keys: Path, at: int, data: bytes) -> None:
    module = bytearray(_GOOD.setdefault(str(keys), signed(keys, "rsa")))
    start = len(MODULE)
    at = start + at % (len(module) - start)
    module[at : at + len(data)] = data
    with contextlib.suppress(Malformed):
        signature = read_signature(bytes(module), "m")
        assert signature is None or signature.serial is not None
    certificate = bytearray((keys / "rsa.der").read_bytes())
    certificate[at % len(certificate) :][: len(data)] = data
    with contextlib.suppress(ValueError):
        read_certificate(bytes(certificate))


_GOOD: dict[str, bytes] = {}


def test_what_only_looks_like_a_certificate_is_left_out(keys: Path) -> None:
    data = (keys / "rsa.der").read_bytes()
    at = data.index(b"\xa3", len(data) // 3)
    for broken in (
        data[:at] + b"\xa3\x00" + data[at + 2 :],
        data[:100],
        data.replace(b"\x06\x03", b"\x05\x03"),
    ):
        with contextlib.suppress(ValueError):
            read_certificate(broken)
        assert all(certificate.name for certificate in certificates(bytes(64) + broken))
