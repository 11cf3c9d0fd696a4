"""npm packages by hash from a registry on loopback, and npm's settings read as npm reads them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.foundation.errors import Malformed, Missing
from bootwright.serving.folder import Server
from npm_settings import settings
from site_parts import npm

NOTHING: tuple[Path, ...] = ()


def tarball(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def pin_of(data: bytes) -> npm.Pin:
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return npm.Pin("@scope/thing", "1.2.3", f"sha512-{digest}")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import threading

    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "index.html").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    with Server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("npm_config_registry", server.address)
        yield folder
        server.shutdown()


def put(folder: Path, data: bytes) -> None:
    path = folder / "@scope/thing/-/thing-1.2.3.tgz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_package_is_fetched_once_and_held_to_its_hash(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tarball({"package/a.js": b"1", "package/sub/b.js": b"2", "package/../../evil.js": b"3"})
    put(registry, data)
    pin = pin_of(data)
    assert npm.files_of(pin) == {"a.js": b"1", "sub/b.js": b"2"}
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    assert npm.files_of(pin) == {"a.js": b"1", "sub/b.js": b"2"}


def test_other_bytes_are_refused_and_not_kept(registry: Path, tmp_path: Path) -> None:
    put(registry, tarball({"package/a.js": b"other"}))
    with pytest.raises(Malformed, match="sha512-"):
        npm.tarball(pin_of(tarball({"package/a.js": b"1"})))
    assert list((tmp_path / "cache").rglob("*.tgz")) == []


def test_a_registry_that_lacks_it_is_named(registry: Path) -> None:
    with pytest.raises(Missing, match=r"thing 1\.2\.3"):
        npm.tarball(pin_of(b"nowhere"))


def test_the_lock_file_of_the_page_names_no_address() -> None:
    root = Path(__file__).parents[2]
    lock = root / "site" / "package-lock.json"
    assert {"pyodide", "axe-core"} <= set(npm.pins(lock))
    assert "://" not in lock.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"packages": []}', '{"packages": {"node_modules/a": {"version": "1"}}}',
             json.dumps({"packages": {"node_modules/a": {"version": "1", "integrity": "sha1-AAAA"}}})]
)  # fmt: skip
def test_a_broken_lock_file_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(text)
    with pytest.raises(Malformed, match=r"package-lock\.json"):
        npm.pins(path)


def test_the_environment_counts_more_than_the_users_file_and_that_more_than_the_global_one(
    tmp_path: Path,
) -> None:
    shared, own = tmp_path / "npmrc", tmp_path / ".npmrc"
    shared.write_text("registry = https://global.example/\ncafile=/a.pem\n; proxy=http://no.example\n")
    own.write_text('registry="https://own.example/${TEAM}/"\n# a remark\nstrict-ssl\n')
    environment = {"TEAM": "blue"}
    assert settings(environment, (shared, own)) == {
        "registry": "https://own.example/blue/", "cafile": "/a.pem",
    }  # fmt: skip
    environment["NPM_CONFIG_REGISTRY"] = "https://env.example/"
    assert settings(environment, (shared, own))["registry"] == "https://env.example/"


@given(st.text(max_size=200))
def test_any_file_of_settings_can_be_read(text: str) -> None:
    class Given(type(Path())):  # type: ignore[misc]
        def read_text(self, *_: object, **__: object) -> str:
            return text

    assert isinstance(settings({"npm_config_registry": "https://x.example"}, (Given("x"),)), dict)
