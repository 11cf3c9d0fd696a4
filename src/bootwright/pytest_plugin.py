"""pytest-bootwright: fixtures for tests that boot (entry point `pytest11`, named `bootwright`).

Every pytest run on a machine with bootwright imports this module, so it imports nothing but pytest, adds a
few options and fixtures, and no hook that sees other projects' tests. A fixture of a project's own with one
of these names takes precedence, as pytest has it.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bootwright.api import BenchRun, Booted, ShownBoard
    from bootwright.image_boot.outcome import Shown
    from bootwright.kernels.model import Kernel

_MOST_SHOWN = 16384
"""Characters of the console's end that a failed test shows."""
_ALL_MESSAGES = "loglevel=7"
"""All but those for debugging (Documentation/admin-guide/kernel-parameters.txt)."""
_OPTIONS = {
    "board": "The board that the fixture `board` is: a board file's name, or a file.",
    "kernel": "The kernel that `kernel` and `boot` mean: a catalogue name, or a file.",
    "image": "The image that `image` and `boot` mean: a file.",
    "env": "Boot images on a real board: an environment file of labgrid (extra `bootwright[bench]`).",
    "target": "Which target of that file.",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, each also a setting of the same name (`bootwright_kernel = debian-6.18-4k`)."""
    group = parser.getgroup("bootwright", "bootwright: boots in tests")
    for name, text in _OPTIONS.items():
        group.addoption(f"--bootwright-{name}", metavar=name.upper(), help=text)
        parser.addini(f"bootwright_{name}", text, default="")


class Console:
    """The console of the last boot of a test."""

    def __init__(self) -> None:
        self._bytes: bytes | None = None

    def record(self, console: bytes) -> None:
        """Take a boot's console."""
        self._bytes = console

    @property
    def bytes(self) -> bytes:
        """As it came; fails the test where nothing was booted."""
        if self._bytes is None:
            pytest.fail("nothing was booted in this test: call boot() first", pytrace=False)
        return self._bytes

    @property
    def text(self) -> str:
        """As text, without carriage returns; what is no UTF-8 is replaced."""
        return self.bytes.decode(errors="replace").replace("\r", "")

    @property
    def lines(self) -> list[str]:
        """Line by line."""
        return self.text.splitlines()


def _asked(config: pytest.Config, name: str) -> str | None:
    value = config.getoption(f"bootwright_{name}") or config.getini(f"bootwright_{name}")
    return str(value) if value else None


def _needed(config: pytest.Config, name: str) -> str:
    value = _asked(config, name)
    if value is None:
        pytest.fail(f"no {name} is given: --bootwright-{name}, or bootwright_{name} = …", pytrace=False)
    return value


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """An error of bootwright's fails the test with its one line and hint."""
    from bootwright.foundation.errors import BootwrightError

    try:
        yield
    except BootwrightError as error:
        hint = f" (hint: {error.hint})" if error.hint else ""
        pytest.fail(f"bootwright: {error.message}{hint}", pytrace=False)


@pytest.fixture(scope="session")
def board(pytestconfig: pytest.Config) -> ShownBoard:
    """The board of `--bootwright-board` (`api.show_board`)."""
    from bootwright import api

    with _explained():
        return api.show_board(_needed(pytestconfig, "board"))


@pytest.fixture(scope="session")
def kernel(pytestconfig: pytest.Config) -> Kernel:
    """The kernel of `--bootwright-kernel`, fetched where it is not here (`api.get_kernel`)."""
    from bootwright import api

    with _explained():
        return api.get_kernel(_needed(pytestconfig, "kernel"))


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Path:
    """The image of `--bootwright-image`."""
    path = Path(_needed(pytestconfig, "image"))
    if not path.is_file():
        pytest.fail(f"there is no image {path}", pytrace=False)
    return path


@pytest.fixture
def console() -> Console:
    """The console of the test's last boot: `bytes`, `text`, `lines`."""
    return Console()


Boot = Callable[..., "Booted | Shown | BenchRun"]


@pytest.fixture
def boot(request: pytest.FixtureRequest, console: Console) -> Boot:
    """Boots, and returns what `api.boot`, `api.boot_image` or `api.bench_run` does.

    `boot()` boots the image that is given, on the board of `--bootwright-env` or else in QEMU, and without an
    image the kernel, with probes. `boot(kernel=…)` and `boot(image=…)` say which; further arguments are those
    functions'. The verdict is a property in JUnit XML, and the console's end is shown where the test fails.

    Kernels with probes run with `quiet`, and from a snapshot where there is one. A test that asks for
    `console` gets the whole of it: they are booted anew then, with all messages.
    """
    from bootwright import api

    config = request.config
    is_read = "console" in inspect.signature(request.function).parameters

    def run(**options: Any) -> Booted | Shown | BenchRun:  # noqa: ANN401 - the functions' own
        given_image, given_kernel = options.pop("image", None), options.pop("kernel", None)
        if given_image is None and given_kernel is None:
            given_image, given_kernel = _asked(config, "image"), _asked(config, "kernel")
            if given_image is None and given_kernel is None:
                pytest.fail("nothing to boot: --bootwright-image or --bootwright-kernel", pytrace=False)
            given_kernel = None if given_image is not None else given_kernel
        with _explained():
            if given_image is None:
                if is_read:
                    options.setdefault("cold", True)
                    options["arguments"] = (_ALL_MESSAGES, *options.get("arguments", ()))
                probed = api.boot(given_kernel, **options)
                recorded = probed.runs[-1][0].console
                booted: Booted | Shown | BenchRun = probed
            elif (environment := _asked(config, "env")) is not None and given_kernel is None:
                target = options.pop("target", None) or _asked(config, "target")
                seen = api.bench_run(image=given_image, environment=environment, target=target, **options)
                recorded = (seen.folder / "console.bin").read_bytes()
                booted = seen
            else:
                chunks: list[bytes] = []
                booted = api.boot_image(given_image, kernel=given_kernel, on_console=chunks.append, **options)
                recorded = b"".join(chunks)
        console.record(recorded)
        request.node.add_report_section("call", "console", console.text[-_MOST_SHOWN:])
        # As `record_property` does, which warns of xunit2 although a test may have properties there.
        request.node.user_properties.extend(
            [
                ("bootwright.booted", str(given_image or given_kernel)),
                ("bootwright.verdict", booted.verdict.value),
            ]
        )
        return booted

    return run
