"""Devicetrees fetched by commit from a git server on loopback: the right bytes, few of them, and once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from git_server import Served, commit, git, serve
from hypothesis import given
from hypothesis import strategies as st

from bootwright.cli.main import main
from bootwright.devicetrees.fetched import _checked, _stays_inside, fetch, fetched
from bootwright.devicetrees.git_files import read_files
from bootwright.devicetrees.source import SOURCES, DevicetreeSource
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Silent

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "devicetrees.schema.json").read_text())
UNUSED = "0" * 40


def blob(model: str) -> bytes:
    text = f'/dts-v1/; / {{ model = "{model}"; compatible = "acme,{model}"; }};'
    return tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], input_bytes=text.encode())


FILES = {
    "boot/one.dtb": blob("one"),
    "boot/two.dtb": blob("two"),
    "boot/overlays/three.dtbo": blob("three"),
    "boot/kernel8.img": os.urandom(3_000_000),
    "boot/deep/er/four.dtb": blob("four"),
    "modules/a/b.ko": os.urandom(1_000_000),
}


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository and its first commit; a later one changed what the first has."""
    folder = tmp_path_factory.mktemp("repository")
    first = commit(folder, FILES, {"boot/link.dtb": "one.dtb"})
    commit(folder, {"boot/one.dtb": blob("changed")})
    return folder, first


@pytest.fixture
def served(repository: tuple[Path, str]) -> Iterator[Served]:
    with serve(repository[0]) as server:
        yield server


def source(url: str, name: str, **more: object) -> DevicetreeSource:
    settings = {"folder": "boot", "files": ("*.dtb", "overlays/*.dtbo"), "found_at": (), "title": "Tiny"}
    return DevicetreeSource(name="tiny", repository=url, commit=name, **{**settings, **more})  # type: ignore[arg-type]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["devicetrees", *arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, done.output


def test_the_commits_files_come_and_no_others(served: Served, repository: tuple[Path, str]) -> None:
    here = fetch(source(served.url, repository[1]), Silent())
    assert set(here.sha256) == {"one.dtb", "two.dtb", "overlays/three.dtbo"}
    assert read_fdt_file(here.folder / "one.dtb").root.string("model") == "one"
    for path, digest in here.sha256.items():
        assert (here.folder / path).read_bytes() == FILES[f"boot/{path}"]
        assert hashlib.sha256(FILES[f"boot/{path}"]).hexdigest() == digest
    assert served.sent < 20_000, f"of {sum(map(len, FILES.values()))} bytes"


def test_what_is_here_is_fetched_no_more(served: Served, repository: tuple[Path, str]) -> None:
    wanted = source(served.url, repository[1])
    assert fetched(wanted) is None
    fetch(wanted, Silent())
    asked = len(served.requests)
    assert asked
    assert fetch(wanted, Silent()) == fetched(wanted)
    assert len(served.requests) == asked
    fetch(wanted, Silent(), fresh=True)
    assert len(served.requests) > asked


def test_a_server_that_leaves_nothing_out_serves_as_well(repository: tuple[Path, str]) -> None:
    with serve(repository[0], filters=False) as whole:
        assert set(fetch(source(whole.url, repository[1]), Silent()).sha256) >= {"one.dtb", "two.dtb"}
        assert whole.sent > 3_000_000


def test_a_changed_file_is_noticed_and_fetched_again(served: Served, repository: tuple[Path, str]) -> None:
    wanted = source(served.url, repository[1])
    file = fetch(wanted, Silent()).folder / "one.dtb"
    file.write_bytes(FILES["boot/two.dtb"])
    with pytest.raises(Malformed, match=r"one\.dtb: expected SHA-256") as caught:
        fetched(wanted)
    assert caught.value.hint == "bootwright devicetrees fetch tiny --fresh"
    assert (fetch(wanted, Silent(), fresh=True).folder / "one.dtb").read_bytes() == FILES["boot/one.dtb"]


@given(st.text("ab./\0\x1b\\ \udc80", max_size=12))
def test_a_hostile_trees_names_never_lead_out_of_the_cache(path: str) -> None:
    """A tree object can hold names that a check-out would refuse."""
    wanted = source("https://example.org/x", UNUSED)
    if not _stays_inside(path):
        with pytest.raises(Malformed, match="a path inside the repository") as caught:
            _checked(wanted, wanted.repository, {path: FILES["boot/one.dtb"]})
        assert caught.value.message.isprintable()
        return
    assert Path("/cache/files", path).resolve().is_relative_to("/cache/files")
    assert list(_checked(wanted, wanted.repository, {path: FILES["boot/one.dtb"]})) == [path]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"one.dtb": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_list_of_hashes_is_one_line(text: bytes, repository: tuple[Path, str]) -> None:
    with serve(repository[0]) as server:
        wanted = source(server.url, repository[1])
        (fetch(wanted, Silent()).folder.parent / "hashes.json").write_bytes(text)
    with pytest.raises(Malformed, match=r"hashes\.json: expected hashes of files") as caught:
        fetched(wanted)
    assert caught.value.hint == "bootwright devicetrees fetch tiny --fresh"


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"commit": UNUSED}, Missing, "no such commit"),
        ({"folder": "nowhere"}, Missing, r"has no \*\.dtb or overlays/\*\.dtbo in nowhere"),
        ({"files": ("kernel8.img",)}, Malformed, "devicetree magic"),
        ({"sha256": {"one.dtb": "0" * 64}}, Malformed, r"one\.dtb of .*: expected SHA-256 0000"),
        ({"sha256": {"five.dtb": "0" * 64}}, Malformed, r"expected the file five\.dtb"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_kept(
    more: dict[str, object],
    error: type[BootwrightError],
    says: str,
    served: Served,
    repository: tuple[Path, str],
) -> None:
    name = str(more.pop("commit", repository[1]))
    wanted = source(served.url, name, **more)
    with pytest.raises(error, match=says) as caught:
        fetch(wanted, Silent())
    assert "\n" not in caught.value.message
    assert fetched(wanted) is None


def test_without_a_server_it_is_one_line_with_a_hint(repository: tuple[Path, str]) -> None:
    with serve(repository[0]) as gone:
        url = gone.url
    with pytest.raises(Missing, match=r"^cannot fetch http://127") as caught:
        read_files(url, repository[1], "boot", ["*.dtb"])
    assert "network" in (caught.value.hint or "")
    assert "\n" not in caught.value.message


def test_without_git_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tools, "find", lambda _: None)
    with pytest.raises(Missing, match="git is needed") as caught:
        read_files("http://127.0.0.1/x", UNUSED, "", ["*"])
    assert caught.value.hint == "install git"


def test_no_other_protocol_is_followed(tmp_path: Path, repository: tuple[Path, str]) -> None:
    for address in (
        f"file://{repository[0]}",
        "ext::touch /tmp/never",
        "-upload-pack=x",
        "git://127.0.0.1/x",
    ):
        with pytest.raises(ValueError, match="http"):
            source(address, UNUSED)
        with pytest.raises(Missing, match="cannot fetch"):
            read_files(address, repository[1], "boot", ["*.dtb"])


def test_the_commands(
    served: Served, repository: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "config" / "bootwright" / "devicetrees"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(
        f'title = "Tiny"\nrepository = "https://unreachable.invalid/x"\ncommit = "{repository[1]}"\n'
        'folder = "boot"\nfiles = ["*.dtb"]\nfound_at = ["https://example.org/"]\n'
    )
    status, text = run("list", "--json")
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert {entry["name"]: entry["here"] for entry in document["sources"]}["tiny"] is None
    assert "no: bootwright devicetrees fetch tiny" in run("show", "tiny")[1]
    status, text = run("fetch", "tiny", "--mirror", served.url, "--json", "-q")
    assert status == 0
    jsonschema.validate(json.loads(text), SCHEMA)
    assert hashlib.sha256(FILES["boot/two.dtb"]).hexdigest() in run("show", "tiny")[1]
    assert "2 files" in next(line for line in run("list")[1].splitlines() if line.startswith("tiny"))
    with pytest.raises(Refused) as caught:
        run("fetch", "tiy")
    assert caught.value.hint == "did you mean tiny?"
    with pytest.raises(Refused, match="no address of a repository"):
        run("fetch", "tiny", "--mirror", "ext::x")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('commit = "main"', "40 hexadecimal digits"),
        ('repository = "git@example.org:x"', "http:// or https://"),
        ('folder = "../etc"', "a path inside the repository"),
        ("files = []", "at least one pattern"),
        ('[sha256]\n"a.dtb" = "12"', "64 hexadecimal digits"),
    ],
)
def test_a_source_that_is_none_is_one_line(line: str, says: str, tmp_path: Path) -> None:
    lines = {
        "title": 'title = "x"',
        "repository": 'repository = "https://example.org/x"',
        "commit": f'commit = "{UNUSED}"',
        "folder": 'folder = ""',
        "files": 'files = ["*"]',
        "found_at": "found_at = []",
    }
    lines[line.partition(" ")[0]] = line
    path = tmp_path / "x.toml"
    path.write_text("\n".join(lines.values()))
    with pytest.raises(Malformed, match=says) as caught:
        SOURCES.find(str(path))
    assert caught.value.message.startswith(str(path))


def test_the_shipped_sources_are_pinned_to_one_commit_each() -> None:
    for name, shipped in SOURCES.all().items():
        assert len(shipped.commit) == 40, name
        assert shipped.found_at, name
        assert shipped.repository.startswith("https://"), name


def test_an_object_that_is_not_what_its_name_says_never_arrives(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    """A repository in which one file's object was put under another's name."""
    forged = tmp_path / "forged"
    git(tmp_path, "clone", "-q", "--no-local", str(repository[0]), str(forged))
    git(forged, "checkout", "-q", repository[1])
    name = git(forged, "rev-parse", f"{repository[1]}:boot/one.dtb")
    objects = forged / ".git" / "objects"
    for pack in list((objects / "pack").glob("*.pack")):
        data = pack.read_bytes()
        for file in (objects / "pack").glob(f"{pack.stem}.*"):
            file.unlink()
        tools.run(["git", "-C", forged, "unpack-objects", "-q"], input_bytes=data)
    other = git(forged, "rev-parse", f"{repository[1]}:boot/two.dtb")
    target = objects / name[:2] / name[2:]
    target.chmod(0o644)
    target.write_bytes((objects / other[:2] / other[2:]).read_bytes())
    with serve(forged) as server, pytest.raises(Missing, match="cannot fetch") as caught:
        fetch(source(server.url, repository[1]), Silent())
    assert "\n" not in caught.value.message
    assert fetched(source(server.url, repository[1])) is None
