"""Fetching from a tiny signed archive: what is verified, what is refused, what survives."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from archive_kit import NEWER, RELEASE, Archive, Handler, Opener, make_deb, make_image

from bootwright.formats.sources.transport import NotThere, Unreachable
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.kernels.catalogue import open_library

FRONT = "debian-6.12.1-4k"
SPLIT = "debian-6.19.2-16k"


def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache/kernels"


def leftovers(tmp_path: Path) -> list[Path]:
    """Files of a fetch under way, and files that are not whole."""
    paths = [path for path in cache(tmp_path).rglob("*") if path.name.startswith(".")]
    return [*paths, *(cache(tmp_path) / "unfinished").glob("*")]


def test_list_holds_what_the_source_names_and_nothing_else(library: Opener) -> None:
    listed = library().listed()
    assert [kernel.name for kernel in listed] == [SPLIT, FRONT]
    assert [kernel.suite for kernel in listed] == ["backports", "stable"]
    assert listed[0].page_size == 16384
    assert not any(kernel.cached for kernel in listed)


def test_front_of_a_large_package(library: Opener, archive: Archive, tmp_path: Path) -> None:
    kernel = library().get(FRONT)
    assert (kernel.release, kernel.page_size) == (RELEASE, 4096)
    assert kernel.image.read_bytes() == make_image(RELEASE, 4096)
    assert kernel.image_sha256 == hashlib.sha256(make_image(RELEASE, 4096)).hexdigest()
    assert kernel.config is not None
    assert "CONFIG_PAGE_SHIFT=12" in kernel.config.read_text()
    assert kernel.modules is None
    assert kernel.dtbs is None
    assert "NOT verified" in kernel.provenance["verified"]
    assert archive.signer.keyring.exists()
    assert leftovers(tmp_path) == []


def test_modules_continue_the_front_and_verify_the_whole(library: Opener, archive: Archive) -> None:
    front = library().get(FRONT)
    kernel = library().get(FRONT, modules=True)
    assert kernel.modules is not None
    assert kernel.dtbs is not None
    assert (kernel.modules / "kernel/drivers/net/macb.ko").stat().st_size == 600_000
    assert (kernel.dtbs / "broadcom/bcm2712-rpi-5-b.dtb").read_bytes() == b"\xd0\x0d\xfe\xed"
    assert not list(kernel.modules.rglob("changelog"))
    assert kernel.image == front.image
    assert "SHA256 of each whole package" in kernel.provenance["verified"]
    first, second = archive.asked(f"linux-image-{RELEASE}_6.12.1-1_arm64.deb")
    assert first is None
    assert second is not None
    assert int(second.removeprefix("bytes=").rstrip("-")) > 100_000


def test_split_packages_are_all_verified(library: Opener, archive: Archive) -> None:
    kernel = library().get("debian-6.19-16k")
    assert (kernel.release, kernel.page_size) == (NEWER, 16384)
    assert kernel.dtbs is not None
    assert kernel.modules is None
    assert "NOT verified" not in kernel.provenance["verified"]
    whole = library().get(SPLIT, modules=True)
    assert whole.modules is not None
    assert (whole.modules / "kernel/drivers/net/macb.ko").is_file()
    assert (whole.modules / "modules.builtin").is_file()
    assert whole.dtbs is not None
    assert (whole.dtbs / "broadcom/bcm2712-rpi-5-b.dtb").is_file()
    assert len(archive.asked("_arm64.deb")) == 3, "what was here was not fetched again"


def test_cached_needs_no_request(library: Opener, archive: Archive) -> None:
    library().get(FRONT)
    archive.requests.clear()
    library().get(FRONT)
    library(offline=True).get("debian-6.12-4k")
    assert library(offline=True).resolve("debian-6-4k").name == FRONT
    assert archive.requests == []


def test_list_is_not_read_again_while_fresh_and_only_changed_parts_later(
    library: Opener, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library().listed()
    archive.requests.clear()
    assert len(library().listed()) == 2
    assert archive.requests == []
    now = time.time()
    monkeypatch.setattr("bootwright.kernels.archive.index.time.time", lambda: now + 7 * 3600)
    assert len(library().listed()) == 2
    assert [path for path, _ in archive.requests] == ["dists/stable/InRelease", "dists/backports/InRelease"]


def test_offline_without_anything(library: Opener) -> None:
    with pytest.raises(Missing) as caught:
        library(offline=True).get(FRONT)
    assert caught.value.hint is not None
    assert "--offline" in caught.value.hint


def test_offline_what_is_listed_but_not_here(library: Opener, archive: Archive) -> None:
    library().listed()
    archive.requests.clear()
    with pytest.raises(Missing, match="would have to be fetched"):
        library(offline=True).get(FRONT)
    assert archive.requests == []


def test_names_that_nothing_fits(library: Opener) -> None:
    with pytest.raises(Refused) as caught:
        library().resolve("debain-6.12.1-4k")
    assert caught.value.hint is not None
    assert FRONT in caught.value.hint
    with pytest.raises(Refused, match="no longer") as caught:
        library().get("debian-6.12.9-4k")
    assert caught.value.hint is not None
    assert FRONT in caught.value.hint
    with pytest.raises(Refused):
        library().get("../../etc/passwd")


def test_a_shorter_name_is_a_whole_number_prefix(library: Opener) -> None:
    with pytest.raises(Refused):
        library().resolve("debian-6.1-4k")
    assert library().resolve("debian-6.12-4k").name == FRONT


def test_another_signature_is_refused(library: Opener, archive: Archive) -> None:
    archive.files["dists/stable/InRelease"] = archive.files["dists/stable/InRelease"].replace(
        b"Label: Tiny", b"Label: tiny"
    )
    with pytest.raises(Refused, match="BADSIG"):
        library().listed()


def test_no_signature_is_refused(library: Opener, archive: Archive, tmp_path: Path) -> None:
    archive.files["dists/stable/InRelease"] = b"Origin: Tiny\nCodename: stable\n"
    with pytest.raises(Refused, match="is not signed"):
        library().listed()
    assert not list((cache(tmp_path) / "index").glob("*"))


def test_text_outside_the_signature_is_not_read(library: Opener, archive: Archive) -> None:
    forged = (
        b"Origin: Tiny\nCodename: stable\nSHA256:\n " + b"0" * 64 + b" 1 main/binary-arm64/Packages.xz\n\n"
    )
    archive.files["dists/stable/InRelease"] = forged + archive.files["dists/stable/InRelease"]
    try:
        names = [kernel.name for kernel in library().listed()]
    except BootwrightError:
        return
    assert names == [SPLIT, FRONT]


def test_detached_signature(library: Opener, archive: Archive) -> None:
    for suite in archive.packages:
        del archive.files[f"dists/{suite}/InRelease"]
    archive.publish(detached=True)
    assert len(library().listed()) == 2


def test_detached_signature_of_something_else(library: Opener, archive: Archive) -> None:
    for suite in archive.packages:
        del archive.files[f"dists/{suite}/InRelease"]
    archive.publish(detached=True)
    archive.files["dists/stable/Release"] += b"\n"
    with pytest.raises(Refused, match="BADSIG"):
        library().listed()


def test_another_suite_under_the_name(library: Opener, archive: Archive) -> None:
    archive.files["dists/stable/InRelease"] = archive.files["dists/backports/InRelease"]
    with pytest.raises(Refused, match="not Tiny stable"):
        library().listed()


def test_an_expired_release_is_used_and_said(library: Opener, archive: Archive) -> None:
    archive.publish(
        **{"Date": "Sat, 03 Jan 2026 00:00:00 UTC", "Valid-Until": "Sat, 10 Jan 2026 00:00:00 UTC"}
    )
    kernel = library().get(SPLIT)
    assert "valid until 2026-01-10, used after that" in kernel.provenance["index"]


@pytest.mark.parametrize("change", ["longer", "other"])
def test_index_that_is_not_the_signed_one(library: Opener, archive: Archive, change: str) -> None:
    path = "dists/stable/main/binary-arm64/Packages.xz"
    good = archive.files[path]
    archive.files[path] = good + b"\0" * 4 if change == "longer" else good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(Malformed):
        library().listed()


@pytest.mark.parametrize(
    ("field", "value"),
    [("SHA256", "abc"), ("Size", "-1"), ("Filename", "../../x.deb"), ("Filename", "/x.deb"), ("Version", "")],
)
def test_index_fields_are_read_strictly(library: Opener, archive: Archive, field: str, value: str) -> None:
    archive.packages["stable"][0][field] = value
    archive.publish()
    with pytest.raises(Malformed, match=field.lower()):
        library().listed()


def test_the_newest_build_of_a_version_counts(library: Opener, archive: Archive) -> None:
    name = f"linux-image-{RELEASE}"
    sizes = {}
    for version in ("6.12.1-1~bpo12+1", "6.12.1-10", "6.12.1-9"):
        package = make_deb(name, version, {"noise": os.urandom(len(version) * 100)})
        archive.add("backports", name, version, package)
        sizes[version] = len(package)
    archive.publish()
    kernel = library().resolve(FRONT)
    assert (kernel.whole_size, kernel.suite) == (sizes["6.12.1-10"], "backports")


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.mark.parametrize("modules", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.15, 0.9])
def test_a_changed_package(
    library: Opener, archive: Archive, tmp_path: Path, share: float, *, modules: bool
) -> None:
    path = archive.packages["stable"][0]["Filename"]
    good = archive.files[path]
    archive.files[path] = damaged(good, int(len(good) * share))
    if share == 0.9 and not modules:
        assert library().get(FRONT).modules is None  # behind the front; not read
        with pytest.raises(Malformed):
            library().get(FRONT, modules=True)
        assert library().store.manifest(FRONT) is None, "what came from the front is not trusted any more"
    else:
        with pytest.raises(Malformed):
            library().get(FRONT, modules=modules)
    assert library().store.names() == []
    assert leftovers(tmp_path) == []
    assert not list((cache(tmp_path) / "downloads").glob("*"))
    archive.files[path] = good
    assert library().get(FRONT, modules=modules).release == RELEASE


def test_a_package_of_another_size(library: Opener, archive: Archive) -> None:
    path = archive.packages["stable"][0]["Filename"]
    archive.files[path] += b"more"
    with pytest.raises(Malformed, match="as the index says"):
        library().get(FRONT)


def test_another_package_under_the_name(library: Opener, archive: Archive) -> None:
    archive.add(
        "stable",
        "linux-image-6.12.3+deb13-arm64",
        "6.12.3-1",
        archive.files[archive.packages["stable"][0]["Filename"]],
    )
    archive.publish()
    with pytest.raises(Malformed, match=r"6\.12\.3-1"):
        library().get("debian-6.12.3-4k")


def test_an_image_of_another_release_or_page_size(library: Opener, archive: Archive) -> None:
    for number, (release, pages) in enumerate((("6.12.9+x", 4096), ("6.12.31+deb13-arm64", 16384)), 30):
        name = f"linux-image-6.12.{number}+deb13-arm64"
        full = f"6.12.{number}+deb13-arm64"
        files = {
            f"boot/config-{full}": f"CONFIG_PAGE_SHIFT={pages.bit_length() - 1}\n".encode(),
            f"boot/vmlinuz-{full}": make_image(release, pages),
        }
        archive.add("stable", name, "1-1", make_deb(name, "1-1", files))
    archive.publish()
    with pytest.raises(Malformed, match=r"6\.12\.9\+x"):
        library().get("debian-6.12.30-4k")
    with pytest.raises(Malformed, match="4096 byte pages as its flavour says"):
        library().get("debian-6.12.31-4k")


def test_a_package_that_is_listed_but_gone(library: Opener, archive: Archive) -> None:
    library().listed()
    del archive.files[archive.packages["stable"][0]["Filename"]]
    with pytest.raises(NotThere, match="no longer in the archive") as caught:
        library().get(FRONT)
    assert caught.value.hint


def test_modules_that_left_the_archive(library: Opener, archive: Archive) -> None:
    archive.packages["backports"] = archive.packages["backports"][:1]
    archive.publish()
    kernel = library().get(SPLIT)
    assert kernel.config is None
    assert "linux-base" in kernel.provenance["absent"]
    with pytest.raises(Refused, match=r"modules of debian-6\.19\.2-16k are no longer"):
        library().get(SPLIT, modules=True)


def test_a_kernel_that_left_the_archive_stays_listed(
    library: Opener, archive: Archive, tmp_path: Path
) -> None:
    library().get(FRONT)
    archive.packages["stable"] = []
    archive.publish()
    for path in (cache(tmp_path) / "index").glob("*"):
        path.unlink()
    kernel = next(kernel for kernel in library().listed() if kernel.name == FRONT)
    assert (kernel.suite, kernel.cached) == ("", True)
    assert library().get("debian-6.12-4k").release == RELEASE


def test_interrupted_connections_are_taken_up_where_they_broke(library: Opener, archive: Archive) -> None:
    archive.faults["_arm64.deb"] = lambda handler, data: (handler.answer(data, cut=150_000), True)[1]
    kernel = library().get(FRONT, modules=True)
    assert kernel.modules is not None
    size = len(archive.files[archive.packages["stable"][0]["Filename"]])
    assert archive.sent < size + 20_000, "nothing was sent twice"
    assert len(archive.asked("_arm64.deb")) > 4


def test_a_server_without_ranges(library: Opener, archive: Archive) -> None:
    def fault(handler: Handler, data: bytes) -> bool:
        first = len(archive.asked("_arm64.deb")) == 1
        handler.headers.replace_header("Range", "") if "Range" in handler.headers else None
        del handler.headers["Range"]
        handler.answer(data, cut=200_000 if first else None)
        return True

    archive.faults["_arm64.deb"] = fault
    assert library().get(FRONT, modules=True).modules is not None


def test_a_file_that_changes_while_it_is_fetched(library: Opener, archive: Archive) -> None:
    def fault(handler: Handler, data: bytes) -> bool:
        if len(archive.asked("_arm64.deb")) == 1:
            handler.answer(data, cut=200_000)
        else:
            handler.answer(damaged(data, 1000), etag='"other"')
        return True

    archive.faults["_arm64.deb"] = fault
    with pytest.raises(Malformed, match="another one under the same name"):
        library().get(FRONT, modules=True)


def test_a_server_that_never_sends_the_end(library: Opener, archive: Archive) -> None:
    def fault(handler: Handler, data: bytes) -> bool:
        handler.answer(data, cut=1000 if not handler.headers.get("Range") else 0)
        return True

    archive.faults["_arm64.deb"] = fault
    with pytest.raises(Unreachable):
        library().get(FRONT)
    assert len(archive.asked("_arm64.deb")) < 10


def test_a_redirect_loop(library: Opener, archive: Archive) -> None:
    def fault(handler: Handler, data: bytes) -> bool:
        handler.send_response(302)
        handler.send_header("Location", handler.path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    archive.faults["InRelease"] = fault
    with pytest.raises(Unreachable, match="redirects in a loop"):
        library().listed()


def test_an_archive_that_is_not_there(library: Opener) -> None:
    for address in ("http://127.0.0.1:9", "ftp://127.0.0.1/x", "nonsense"):
        with pytest.raises(Missing) as caught:
            library(at=address).listed()
        assert caught.value.hint


def test_an_archive_without_the_suites(library: Opener, archive: Archive) -> None:
    archive.files.clear()
    with pytest.raises(NotThere, match="no archive here serves stable"):
        library().listed()


def test_one_suite_missing_leaves_the_other(library: Opener, archive: Archive) -> None:
    del archive.files["dists/stable/InRelease"]
    assert [kernel.name for kernel in library().listed()] == [SPLIT]


def test_an_archive_out_of_reach_leaves_what_is_here(library: Opener) -> None:
    library().get(FRONT)
    assert [kernel.name for kernel in library(at="http://127.0.0.1:9").listed()] == [FRONT]


def test_no_space_left(library: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bootwright.kernels.extract as module

    real = Path.open

    def full(self: Path, *arguments: object, **named: object) -> object:
        if self.name == "vmlinuz":
            raise OSError(28, os.strerror(28))
        return real(self, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(module.Path, "open", full)
    with pytest.raises(Missing, match="no space left"):
        library().get(FRONT)
    monkeypatch.undo()
    assert leftovers(tmp_path) == []


def _fetch(address: str, source: str, modules: bool, queue: multiprocessing.Queue[str]) -> None:
    kernel = open_library(archive=address, sources=[Path(source)]).get(FRONT, modules=modules)
    queue.put(kernel.image_sha256)


def test_two_processes_fetch_once(library: Opener, archive: Archive, address: str, source_file: Path) -> None:
    library().listed()

    def slow(handler: Handler, data: bytes) -> bool:
        time.sleep(0.3)
        return False

    archive.faults["_arm64.deb"] = slow
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()
    workers = [
        context.Process(target=_fetch, args=(address, str(source_file), True, queue)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    digests = {queue.get(timeout=30) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(digests) == 1
    assert len(archive.asked("_arm64.deb")) == 1


def test_killed_in_the_middle_and_run_again(
    library: Opener, archive: Archive, address: str, source_file: Path, tmp_path: Path
) -> None:
    library().listed()
    half = threading.Event()

    def stalls(handler: Handler, data: bytes) -> bool:
        if len(archive.asked("_arm64.deb")) > 1:
            return False
        handler.answer(data, cut=len(data) // 2)
        half.set()
        return True

    def hangs(handler: Handler, data: bytes) -> bool:
        if stalls(handler, data):
            return True
        if len(archive.asked("_arm64.deb")) == 2:
            time.sleep(30)
        return False

    archive.faults["_arm64.deb"] = hangs
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()  # held while the worker starts
    worker = context.Process(target=_fetch, args=(address, str(source_file), True, queue))
    worker.start()
    assert half.wait(20)
    deadline = time.monotonic() + 10
    while len(archive.asked("_arm64.deb")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert library().store.names() == []
    archive.faults.clear()
    archive.requests.clear()
    kernel = library().get(FRONT, modules=True)
    assert kernel.modules is not None
    (ranged,) = archive.asked("_arm64.deb")
    assert ranged is not None, "it went on where it stopped"
    assert leftovers(tmp_path) == []


def test_remove_keeps_what_others_need(library: Opener, tmp_path: Path) -> None:
    kernel = library().get(FRONT, modules=True)
    other = library().get(SPLIT)
    freed = library().remove(FRONT)
    assert freed > 800_000
    assert not kernel.image.exists()
    assert other.image.exists()
    assert kernel.modules is not None
    assert not kernel.modules.exists()
    with pytest.raises(Refused, match="not on this machine"):
        library().remove(FRONT)
    assert library().get(FRONT).image.is_file()


DATE = "20260901T000000Z"


@pytest.fixture
def with_snapshot(archive: Archive, address: str, source_file: Path) -> str:
    """The tiny archive as a snapshot service has it, and nowhere else; returns its address there."""
    for path in list(archive.files):
        archive.files[f"snapshot/{DATE}/{path}"] = archive.files.pop(path)
    text = source_file.read_text()
    snapshot = f'[snapshot]\nbase = "{address}/snapshot/{{date}}"\ndate = "{DATE}"\n[flavours]'
    source_file.write_text(text.replace("[flavours]", snapshot))
    return f"{address}/snapshot/{DATE}"


def test_the_snapshot_service_where_apt_has_nothing(
    library: Opener, archive: Archive, with_snapshot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootwright.kernels.archive.apt.archives", lambda *_: [])
    monkeypatch.delenv("BOOTWRIGHT_ARCHIVE", raising=False)
    opened = library()
    opened.archive = None
    kernel = opened.get(SPLIT)
    assert kernel.provenance["archive"] == with_snapshot
    assert "a pinned state of the archive" in kernel.provenance["index"]
    with pytest.raises(Refused) as caught:
        opened.get("debian-6.12.9-4k")
    assert caught.value.hint is not None
    assert "/snapshot/DATE" in caught.value.hint


@pytest.mark.parametrize("first", ["missing", "unreachable", "unsigned", "foreign"])
def test_the_next_archive_where_the_first_is_not_it(
    library: Opener, archive: Archive, with_snapshot: str, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    address = with_snapshot.partition("/snapshot")[0]
    if first == "unsigned":
        archive.files["dists/stable/InRelease"] = b"Origin: Tiny\n"
    if first == "foreign":
        other = Archive(archive.signer)
        other.publish(Origin="Other")
        archive.files |= other.files
    known = ["http://127.0.0.1:9" if first == "unreachable" else address]
    monkeypatch.setattr("bootwright.kernels.archive.apt.archives", lambda *_: known)
    opened = library()
    opened.archive = None
    assert opened.get(FRONT).provenance["archive"] == with_snapshot


def test_an_archive_that_was_named_must_be_it(library: Opener, archive: Archive, with_snapshot: str) -> None:
    with pytest.raises(NotThere):
        library().listed()
