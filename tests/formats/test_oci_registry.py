"""Container images of a registry: Debian's docker-registry, and servers that do what no registry should."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_kit import OCI, Blob, Image, RunningRegistry, digest_of, image, layer, running_registry

from bootwright.formats.archives.registry_image import open_image, read_index, read_manifest
from bootwright.formats.filesystems.filesystem import lookup, read_small, walk
from bootwright.formats.sources.registry import Reference, Registry, read_reference
from bootwright.formats.sources.transport import Transport
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused

LIMIT = 64 << 20


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def transport() -> Transport:
    return Transport(first_wait=0.01)


def names(reference: str, **options: Callable[..., bool]) -> list[str]:
    pulled = open_image(reference, limit=LIMIT, transport=transport())
    tree = pulled.image.files(pulled.image.manifests[0], **options).tree
    return sorted(entry.path for entry in walk(tree))


def test_layers_of_every_compression_hide_what_is_below(registry: RunningRegistry) -> None:
    made = image(
        [
            layer({"etc/a": b"old", "etc/gone": b"x", "opaque/old": b"x"}, "gzip"),
            layer(
                {"etc/.wh.gone": b"", "etc/a": b"new", "opaque/.wh..wh..opq": b"", "opaque/new": b"n"}, "zstd"
            ),
            layer({"boot/vmlinuz": b"kernel"}, "plain"),
        ]
    )
    registry.push("team/layers", "v1", made)
    pulled = open_image(registry.reference("team/layers", "v1"), limit=LIMIT, transport=transport())
    tree = pulled.image.files(pulled.image.manifests[0]).tree
    files = {entry.path for entry in walk(tree)}
    assert files == {"/etc", "/etc/a", "/opaque", "/opaque/new", "/boot", "/boot/vmlinuz"}
    assert read_small(tree, "/etc/a", 100) == b"new"
    assert pulled.digest == made.digest


def test_of_several_platforms_arm64_is_read_and_nothing_else_fetched(registry: RunningRegistry) -> None:
    arm = image([layer({"arm": b"a" * 1000})])
    other = image([layer({"amd": hashlib.sha256(b"x").digest() * 40_000}, "plain")], "amd64")
    registry.push("team/several", "v1", [other, arm])
    pulled = open_image(registry.reference("team/several", "v1"), limit=LIMIT, transport=transport())
    assert names(registry.reference("team/several", "v1")) == ["/arm"]
    assert pulled.digest == arm.digest
    assert pulled.fetched < 10_000


def test_what_is_fetched_is_kept_by_digest(registry: RunningRegistry) -> None:
    digest = registry.push("team/kept", "v1", [image([layer({"file": b"content" * 1000}, "plain")])])
    by_digest = f"oci://{registry.host}/team/kept@{digest}"
    assert names(by_digest) == ["/file"]
    again = open_image(by_digest, limit=LIMIT, transport=transport())
    assert lookup(again.image.files(again.image.manifests[0]).tree, "/file") is not None
    assert again.fetched == 0
    by_tag = open_image(registry.reference("team/kept", "v1"), limit=LIMIT, transport=transport())
    assert lookup(by_tag.image.files(by_tag.image.manifests[0]).tree, "/file") is not None
    assert 0 < by_tag.fetched < 2000  # what the tag names is asked for every time


def test_lower_layers_are_left_where_the_upper_ones_are_enough(registry: RunningRegistry) -> None:
    layers = [layer({f"layer{number}": bytes([number]) * 1000}) for number in range(3)]
    registry.push("team/enough", "v1", image(layers))
    pulled = open_image(registry.reference("team/enough", "v1"), limit=LIMIT, transport=transport())
    read = pulled.image.files(
        pulled.image.manifests[0], enough=lambda tree: lookup(tree, "/layer1") is not None
    )
    assert sorted(entry.path for entry in walk(read.tree)) == ["/layer1", "/layer2"]
    assert read.left == (digest_of(layers[0].data),)


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("team/hints:v1.12.7", "has no team/hints:v1.12.7", "did you mean v1.12.6?"),
        ("team/hint:v1", "has no team/hint:v1", "check the name"),
        (f"team/hints@sha256:{'0' * 64}", f"has no team/hints@sha256:{'0' * 64}", "check the name"),
        ("team/amd:v1", "has no image for linux/arm64", "linux/amd64"),
    ],
)
def test_what_a_registry_does_not_have(
    registry: RunningRegistry, reference: str, message: str, hint: str
) -> None:
    registry.push("team/hints", "v1.12.6", image([layer({"a": b"a"})]))
    registry.push("team/amd", "v1", [image([layer({"a": b"b"})], "amd64")])
    with pytest.raises((Missing, Refused)) as error:
        open_image(f"oci://{registry.host}/{reference}", limit=LIMIT, transport=transport())
    assert message in str(error.value)
    assert hint in str(error.value.hint)


@pytest.mark.parametrize("spoil", [lambda data: data[:-100], lambda data: data[:500] + b"X" + data[501:]])
@pytest.mark.parametrize("how", ["gzip", "plain"])
def test_a_layer_that_is_not_its_digests_is_an_error_and_not_kept(
    registry: RunningRegistry, spoil: Callable[[bytes], bytes], how: str
) -> None:
    blob = layer({"boot/vmlinuz": hashlib.sha256(how.encode()).digest() * 3000}, how)
    registry.push("team/damaged", "v1", image([blob]))
    file = registry.blob_file(digest_of(blob.data))
    file.write_bytes(spoil(blob.data))
    reference = registry.reference("team/damaged", "v1")
    with pytest.raises(Malformed):
        names(reference)
    file.write_bytes(blob.data)
    assert names(reference) == ["/boot", "/boot/vmlinuz"]  # nothing wrong was kept


def test_of_a_large_layer_that_is_not_compressed_only_what_is_read_is_fetched(
    registry: RunningRegistry,
) -> None:
    noise = hashlib.sha256(b"noise").digest()
    large = layer({"a": b"first", "usr/big": noise * 500_000, "boot/vmlinuz": b"kernel" * 1000}, "plain")
    registry.push("team/plain", "v1", image([large]))
    pulled = open_image(registry.reference("team/plain", "v1"), limit=LIMIT, transport=transport())
    tree = pulled.image.files(pulled.image.manifests[0]).tree
    assert read_small(tree, "/boot/vmlinuz", 10_000) == b"kernel" * 1000
    assert pulled.fetched < 1 << 20 < 16_000_000 < pulled.size
    assert pulled.in_part == [digest_of(large.data)]


def test_a_layer_goes_on_where_it_stopped(served: Served) -> None:
    blob = layer({"file": hashlib.sha256(b"x").digest() * 20_000}, "plain")
    made = image([blob])
    served.serve(made)
    path = f"/v2/team/image/blobs/{digest_of(blob.data)}"
    asked: list[str] = []

    def answer(request: Fake) -> tuple[int, dict[str, str], bytes]:
        wanted = request.headers.get("Range", "")
        asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        whole = {"Content-Length": str(len(blob.data) - start)}
        if start:
            whole["Content-Range"] = f"bytes {start}-{len(blob.data) - 1}/{len(blob.data)}"
        return (206 if start else 200), whole, blob.data[start : start + 300_000]

    served.routes[path] = answer
    assert names(served.reference) == ["/file"]
    assert asked == ["", "bytes=300000-", "bytes=600000-"]


def test_hostile_archives(registry: RunningRegistry) -> None:
    registry.push("team/hostile", "v1", image([layer({"../../etc/passwd": b"x"})]))
    with pytest.raises(Malformed, match="below the archive's root"):
        names(registry.reference("team/hostile", "v1"))
    registry.push("team/bomb", "v1", image([layer({"zeros": bytes(80 << 20)})]))
    with pytest.raises(Malformed, match="once decompressed"):
        names(registry.reference("team/bomb", "v1"))
    registry.push(
        "team/none", "v1", image([Blob(gzip.compress(b"no archive" * 100), f"{OCI}.layer.v1.tar+gzip")])
    )
    with pytest.raises(Malformed, match=r"tar header|octal"):
        names(registry.reference("team/none", "v1"))


class Fake(BaseHTTPRequestHandler):
    """A server that answers what `routes` has for a path, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    routes: dict[str, Callable[[Fake], tuple[int, dict[str, str], bytes]]]
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        route = self.routes.get(urlsplit(self.path).path)
        status, headers, body = route(self) if route else (404, {}, b"")
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if "Content-Length" in headers:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Served:
    """An image at `team/image:v1` as routes, to be changed by a test."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.routes: dict[str, Callable[[Fake], tuple[int, dict[str, str], bytes]]] = {}
        handler = type("Handler", (Fake,), {"routes": self.routes, "asked": self.asked})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def put(self, path: str, body: bytes, kind: str = "application/octet-stream", **headers: str) -> None:
        self.routes[f"/v2/team/image/{path}"] = lambda _: (200, {"Content-Type": kind, **headers}, body)

    def serve(self, made: Image) -> None:
        for which in ("v1", made.digest):
            self.put(f"manifests/{which}", made.manifest, f"{OCI}.manifest.v1+json")
        for blob in made.blobs:
            self.put(f"blobs/{digest_of(blob.data)}", blob.data)

    @property
    def reference(self) -> str:
        return f"oci://{self.host}/team/image:v1"


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.server.shutdown()
    made.server.server_close()


def with_token(
    route: Callable[[Fake], tuple[int, dict[str, str], bytes]], challenge: str
) -> Callable[[Fake], tuple[int, dict[str, str], bytes]]:
    def asking(request: Fake) -> tuple[int, dict[str, str], bytes]:
        if request.headers.get("Authorization") == "Bearer secret":
            return route(request)
        return 401, {"WWW-Authenticate": challenge}, b"{}"

    return asking


def test_a_public_registry_gives_a_token_to_everybody_who_asks(served: Served) -> None:
    made = image([layer({"file": b"content" * 5000}, "plain")])
    served.serve(made)
    challenge = (
        f'Bearer realm="http://{served.host}/token",service="registry",scope="repository:team/image:pull"'
    )
    for path, route in list(served.routes.items()):
        served.routes[path] = with_token(route, challenge)
    served.routes["/token"] = lambda _: (200, {}, b'{"token": "secret", "expires_in": 60}')
    assert names(served.reference) == ["/file"]
    asked = [parse_qs(urlsplit(path).query) for path, _ in served.asked if path.startswith("/token")]
    assert asked == [{"scope": ["repository:team/image:pull"], "service": ["registry"]}]


def test_a_token_is_not_given_to_another_server(served: Served) -> None:
    other = Served()
    made = image([layer({"file": b"content" * 5000}, "plain")])
    served.serve(made)
    challenge = f'Bearer realm="http://{served.host}/token"'
    blob = f"/v2/team/image/blobs/{digest_of(made.blobs[1].data)}"
    other.routes["/cdn"] = served.routes[blob]
    served.routes[blob] = lambda _: (307, {"Location": f"http://localhost:{other.host[10:]}/cdn"}, b"")
    for path, route in list(served.routes.items()):
        served.routes[path] = with_token(route, challenge)
    served.routes["/token"] = lambda _: (200, {}, b'{"access_token": "secret"}')
    try:
        assert names(served.reference) == ["/file"]
        assert other.asked == [("/cdn", "")]
    finally:
        other.server.shutdown()
        other.server.server_close()


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ((403, {}, b"{}"), "does not give team/image to everybody"),
        ((200, {}, b"[]"), "a JSON object"),
        ((200, {}, b'{"token": "a b"}'), "a token"),
        ((200, {}, b"<html>"), "JSON"),
    ],
)
def test_a_registry_that_gives_no_token(
    served: Served, token: tuple[int, dict[str, str], bytes], message: str
) -> None:
    served.serve(image([layer({"a": b"a"})]))
    challenge = f'Bearer realm="http://{served.host}/token"'
    for path, route in list(served.routes.items()):
        served.routes[path] = with_token(route, challenge)
    served.routes["/token"] = lambda _: token
    with pytest.raises(BootwrightError, match=message):
        names(served.reference)


def test_a_registry_that_stumbles_is_asked_again(served: Served) -> None:
    made = image([layer({"file": b"content"})])
    served.serve(made)
    path = "/v2/team/image/manifests/v1"
    right, failures = served.routes[path], [503, 502]

    def stumbling(request: Fake) -> tuple[int, dict[str, str], bytes]:
        return (failures.pop(), {}, b"") if failures else right(request)

    served.routes[path] = stumbling
    assert names(served.reference) == ["/file"]
    served.routes[path] = lambda _: (503, {}, b"")
    with pytest.raises(Missing, match="answers 503"):
        names(served.reference)


def test_tags_come_in_pages(served: Served) -> None:
    pages = {"": (b'{"tags": ["v1", "v2"]}', "n=1000&last=v2"), "v2": (b'{"tags": ["v3", 4]}', "")}

    def page(request: Fake) -> tuple[int, dict[str, str], bytes]:
        last = parse_qs(urlsplit(request.path).query).get("last", [""])[0]
        body, further = pages[last]
        link = {"Link": f'</v2/team/image/tags/list?{further}>; rel="next"'} if further else {}
        return 200, link, body

    served.routes["/v2/team/image/tags/list"] = page
    registry = Registry(read_reference(served.reference), transport())
    assert registry.tags() == ["v1", "v2", "v3"]
    # A page that names itself as the next one is the last.
    pages["v2"] = (b'{"tags": ["v3"]}', "n=1000&last=v2")
    assert registry.tags() == ["v1", "v2", "v3"]


def test_answers_that_are_none(served: Served) -> None:
    made = image([layer({"a": b"a" * 3000}, "plain")])
    served.serve(made)
    blob = f"blobs/{digest_of(made.blobs[1].data)}"
    manifest = "manifests/v1"
    index = {"schemaVersion": 2, "manifests": [{**made.blobs[0].descriptor, "digest": made.digest}]}
    index["manifests"][0]["platform"] = made.platform
    wrong: list[tuple[str, bytes, dict[str, str], str]] = [
        (manifest, b"<html>welcome</html>", {"kind": "text/html"}, "expected JSON"),
        (manifest, b" " * (5 << 20), {}, "at most 4194304 bytes"),
        (manifest, b'{"schemaVersion": 1, "fsLayers": []}', {}, "schema version 1"),
        (manifest, b'{"layers": [{"digest": "../../x", "size": 1}]}', {}, "sha256 digest"),
        (manifest, made.manifest, {"Docker-Content-Digest": f"sha256:{'1' * 64}"}, "bytes with sha256:"),
        (f"manifests/{made.digest}", b"{}", {}, "bytes with sha256:"),
        (blob, made.blobs[1].data[:-1] + b"x", {}, "bytes with sha256:"),
        (
            blob,
            made.blobs[1].data[:2000],
            {"Content-Length": str(len(made.blobs[1].data))},
            "received 2000 bytes",
        ),
        (blob, made.blobs[1].data + b"more", {}, f"expected {len(made.blobs[1].data)} bytes"),
    ]
    for path, body, headers, message in wrong:
        before = dict(served.routes)
        if path.startswith("manifests/sha256"):
            served.put(manifest, json.dumps(index).encode())
        served.put(path, body, **headers)
        with pytest.raises(BootwrightError, match=message) as error:
            names(served.reference)
        assert "\n" not in str(error.value)
        served.routes.clear()
        served.routes.update(before)
    served.routes[f"/v2/team/image/{blob}"] = lambda _: (302, {"Location": f"/v2/team/image/{blob}"}, b"")
    with pytest.raises(Missing, match="redirects in a loop"):
        names(served.reference)


@pytest.mark.parametrize(
    ("text", "address", "tag"),
    [
        ("oci://ghcr.io/siderolabs/installer:v1.12.6", "https://ghcr.io/v2/siderolabs/installer", "v1.12.6"),
        ("oci://localhost:5000/a", "http://localhost:5000/v2/a", "latest"),
        ("oci://docker.io/debian:trixie", "https://registry-1.docker.io/v2/library/debian", "trixie"),
        (f"oci://r.example/a/b@sha256:{'a' * 64}", "https://r.example/v2/a/b", None),
    ],
)
def test_references(text: str, address: str, tag: str | None) -> None:
    reference = read_reference(text)
    assert (reference.address, reference.tag) == (address, tag)
    assert read_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    ["oci://", "oci://host", "oci://host/Upper:x", "oci://host/../x:1", "oci://host:99999/a", "oci://h/a@sha256:12",
     "oci://user@host/a", "oci://host/a:tag with space", "oci://host/a?x=y"],
)  # fmt: skip
def test_what_is_no_reference_says_how_one_looks(text: str) -> None:
    with pytest.raises(Refused) as error:
        read_reference(text)
    assert "oci://HOST/NAME:TAG" in str(error.value.hint)


@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_one_error(text: str) -> None:
    try:
        reference = read_reference(f"oci://{text}")
    except Refused:
        return
    assert isinstance(reference, Reference)
    assert urlsplit(reference.address).path.startswith("/v2/")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(
            st.sampled_from(["layers", "manifests", "config", "digest", "size", "platform", "mediaType"]),
            inside,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(_JSON | st.binary(max_size=200))
def test_any_document_is_a_manifest_an_index_or_one_error(value: object) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    for read in (read_index, read_manifest):
        with contextlib.suppress(Malformed):
            read(body, "manifest")


def test_two_at_once_fetch_a_layer_once(registry: RunningRegistry) -> None:
    blob = layer({"file": hashlib.sha256(b"twice").digest() * 100_000}, "gzip")
    registry.push("team/twice", "v1", image([blob, layer({"noise": os.urandom(3_000_000)})]))
    reference = registry.reference("team/twice", "v1")
    code = (
        "import sys\n"
        "from bootwright.formats.archives.registry_image import open_image\n"
        "pulled = open_image(sys.argv[1], limit=1 << 30)\n"
        "tree = pulled.image.files(pulled.image.manifests[0]).tree\n"
        "print(pulled.fetched, sorted(each.path for each in tree.children(tree.root())))\n"
    )
    command = [sys.executable, "-c", code, reference]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0].split(maxsplit=1) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [tree.strip() for _, tree in answers] == ["['/file', '/noise']"] * 2
    assert sum(int(fetched) for fetched, _ in answers) < 3_000_000 + len(blob.data) + 20_000
