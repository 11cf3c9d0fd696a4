"""The folder of files: the page rendered, Python and the archive beside it, the service worker's list."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jinja2
from attrs import frozen

from bootwright import __version__
from bootwright.api.boards.known import KnownBoard, list_boards
from bootwright.api.kernels import get_kernel
from bootwright.foundation.errors import Malformed, Refused
from bootwright.predict.kernel.facts_file import write_facts
from bootwright.serving.folder import POLICY
from site_parts import npm
from site_parts.archive import archive, recorded
from site_parts.documentation import documentation

RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
"""What a browser needs of the npm package `pyodide`."""
_TABS = (("diagnose", "Diagnose a log"), ("check", "Check an image"), ("ask", "Ask about a board"))
"""Name of each tab and what it is called: site/tabs/NAME.html and NAME.js, bootwright.browser.NAME."""
_MARK = "bootwright-site.json"
"""Says that a folder was made here, and so may be replaced."""


@frozen
class Built:
    """What was written."""

    files: int
    compressed: int
    """Bytes that the page takes to load, each file compressed by gzip, as web servers send it."""


def build(root: Path, out: Path, runs: Sequence[Path] = (), kernels: Sequence[str] = ()) -> Built:
    """Write the site of the source tree `root` into `out`, in place of an earlier one, all or nothing.

    `runs` are folders of plans' runs, by whose results the page decides for a board; `kernels` are kernels of
    the catalogue, on this machine, whose facts go along for devicetrees that come alone.

    Raises `Missing` where a package, a run or a kernel cannot be had, and `Refused` for a folder that holds
    something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise Refused(f"{out} holds something else", hint="give another folder, or remove it")
    files = dict(_files(root, runs, kernels))
    page = {name: data for name, data in files.items() if not name.startswith("docs/")}
    files |= {"service-worker.js": _service_worker(root / "site", files), _MARK: _mark(files)}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=out.parent) as temporary:
        made = Path(temporary) / "site"
        for name, data in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if out.exists():
            out.rename(Path(temporary) / "earlier")
        made.rename(out)
    return Built(len(files), sum(len(gzip.compress(data, 9)) for data in page.values()))


def _files(root: Path, runs: Sequence[Path], kernels: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Path → content of all but the service worker, which lists them."""
    source = root / "site"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("index.html.j2")
    images: dict[str, str] = {}
    for name in kernels:
        kernel = get_kernel(name, modules=True, offline=True)
        images[kernel.name] = kernel.image_sha256
        yield f"kernels/{kernel.name}.facts", write_facts(kernel)
    yield (
        "index.html",
        page.render(
            version=__version__, policy=POLICY, tabs=_TABS, boards=_boards(), kernels=images
        ).encode(),
    )
    for path in sorted(source.rglob("*")):
        if path.suffix in {".js", ".css", ".svg", ".webmanifest", ".txt"}:
            yield path.relative_to(source).as_posix(), path.read_bytes()
    yield from documentation(root, environment).files.items()
    runtime = npm.files_of(npm.pins(source / "package-lock.json")["pyodide"])
    for name in RUNTIME:
        if name not in runtime:
            raise Malformed("npm package pyodide", None, f"the file {name}", "none of that name")
        yield f"pyodide/{name}", runtime[name]
    yield "bootwright.zip", archive(root / "src" / "bootwright", recorded(runs))


def _boards() -> tuple[KnownBoard, ...]:
    """Those that come with bootwright, by name; not the user's own."""
    shipped = [board for board in list_boards() if board.origin == "bootwright"]
    return tuple(sorted(shipped, key=lambda board: board.name))


def _service_worker(source: Path, files: Mapping[str, bytes]) -> bytes:
    """The script that keeps the page for use without a network; another content is another version."""
    names = sorted(files)
    content = hashlib.sha256()
    for name in names:
        content.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    text = (source / "service-worker.js.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(text)  # noqa: S701
    version = content.hexdigest()[:16]
    documentation = [name for name in names if name.startswith("docs/")]
    page = [name for name in names if name not in documentation]
    return template.render(
        files=json.dumps(page), documentation=json.dumps(documentation), version=version, policy=POLICY
    ).encode()


def _mark(files: Mapping[str, bytes]) -> bytes:
    rows = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return json.dumps({"version": __version__, "files": rows}, indent=1).encode()
