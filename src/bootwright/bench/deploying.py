"""Bringing an image to a board: what the target's drivers can do, or the command that its settings name."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from bootwright.bench.settings import IMAGE, Deploy
from bootwright.bootchain.volumes import title_of
from bootwright.formats.filesystems.fat import Fat
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.foundation.errors import Missing, Refused, ToolFailed
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.images.opened import OpenImage, Volume, all_files, open_image

_MUXES = ("USBSDMuxDriver", "USBSDWireDriver", "USBSDWire3Driver", "LXAUSBMuxDriver")
_PROVIDERS = ("TFTPProviderDriver", "HTTPProviderDriver")
_MOST_OUTPUT = 1 << 16
_PIECE = 4 << 20
_MOST_BOOT_BYTES = 2 << 30


class Deployer:
    """Brings images to one labgrid target. Raises what its drivers raise, and the errors named below."""

    def __init__(self, target: Any, settings: Deploy, where: str) -> None:  # noqa: ANN401 - labgrid is untyped
        self._target = target
        self._settings = settings
        self._where = where
        self._served = ExitStack()

    def check(self) -> None:
        """Raises `Refused` where no way is known: before anything is switched."""
        way = self._settings
        if way.serve or way.boot_files is not None:
            if self._driver(*_PROVIDERS) is None:
                hint = "add a TFTPProviderDriver or an HTTPProviderDriver to the target"
                raise Refused(f"{self._where} has nothing that could serve a file", hint=hint)
        elif not way.command and self._storage() is None and self._loader() is None:
            raise Refused(
                f"{self._where}: nothing there says how an image comes to the board",
                hint="bind a USBSDMuxDriver and a USBStorageDriver, or give `deploy` (docs/bench.md)",
            )

    def deploy(self, image: Path) -> str:
        """How it was done, in words. Raises `Refused`, `Missing` and `ToolFailed`."""
        way = self._settings
        if way.command:
            words = [word.replace(IMAGE, str(image)) for word in way.command]
            _run(words, way.timeout)
            return f"command {words[0]}"
        if way.serve or way.boot_files is not None:
            return self._serve(image)
        storage = self._storage()
        if storage is not None:
            return self._write(image, storage)
        loader = self._loader()
        if loader is None:
            self.check()
            raise AssertionError
        self._target.activate(loader)
        loader.load(str(image))
        return f"{type(loader).__name__}"

    def close(self) -> None:
        """What was made to be served goes."""
        self._served.close()

    def _driver(self, *names: str) -> Any:  # noqa: ANN401
        return next((driver for driver in self._target.drivers if type(driver).__name__ in names), None)

    def _storage(self) -> Any:  # noqa: ANN401
        return self._driver("USBStorageDriver")

    def _loader(self) -> Any:  # noqa: ANN401
        from labgrid.protocol import BootstrapProtocol

        return next(
            (driver for driver in self._target.drivers if isinstance(driver, BootstrapProtocol)), None
        )

    def _write(self, image: Path, storage: Any) -> str:  # noqa: ANN401
        mux = self._driver(*_MUXES)
        if mux is not None:
            self._target.activate(mux)
            self._set_mux(mux, to_host=True)
        try:
            self._target.activate(storage)
            storage.write_image(str(image))
        finally:
            self._target.deactivate(storage)
            if mux is not None:
                self._set_mux(mux, to_host=False)
        by = f" by {type(mux).__name__}" if mux is not None else ""
        return f"written to {storage.storage.path}{by}"

    @staticmethod
    def _set_mux(mux: Any, *, to_host: bool) -> None:  # noqa: ANN401
        if type(mux).__name__ == "LXAUSBMuxDriver":
            mux.set_links(["host-device"] if to_host else ["dut-device"])
        else:
            mux.set_mode("host" if to_host else "dut")

    def _serve(self, image: Path) -> str:
        from labgrid.util.managedfile import ManagedFile

        driver = self._driver(*_PROVIDERS)
        if driver is None:
            self.check()
        self._target.activate(driver)
        provider = driver.provider
        self.close()
        served = self._served.enter_context(temporary_folder())
        # A board's firmware asks by another user's server: it has to be able to read it.
        served.chmod(0o755)
        if self._settings.serve:
            files = {PurePosixPath(self._settings.serve): image}
        else:
            folder = PurePosixPath(self._settings.boot_files or ".")
            files = {folder / name: path for name, path in boot_files(image, served).items()}
        root = PurePosixPath(provider.internal)
        for name, path in files.items():
            if name.is_absolute() or ".." in name.parts:
                raise Refused(f"{name} is not a name in a server's folder", hint="give a relative one")
            ManagedFile(str(path), provider).sync_to_resource(symlink=str(root / name))
        return f"{len(files)} file{'' if len(files) == 1 else 's'} served from {root}"


def boot_files(image: Path, folder: Path) -> dict[PurePosixPath, Path]:
    """The files of an image's boot partition, copied into `folder`: name in the partition → copy.

    It is the partition with config.txt, else the first FAT one. Raises `Missing` where there is none,
    `Malformed` and `Refused` as readers do.
    """
    opened = open_image(image)
    volume = opened.config_txt() or _first_fat(opened)
    if volume is None:
        raise Missing(f"{image} has no boot partition to serve", hint="serve the image itself: deploy.serve")
    files: dict[PurePosixPath, Path] = {}
    for entry in all_files(volume.files, limit=_MOST_BOOT_BYTES):
        if entry.kind is not EntryKind.FILE:
            continue
        name = PurePosixPath(entry.path.lstrip("/"))
        copy = folder / title_of(volume.partition).replace("/", "_") / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        source = volume.files.open(entry)
        with copy.open("wb") as file:
            for offset in range(0, source.size, _PIECE):
                file.write(source.read(offset, min(_PIECE, source.size - offset)))
        files[name] = copy
    return files


def _first_fat(opened: OpenImage) -> Volume | None:
    return next((volume for volume in opened.volumes if isinstance(volume.files, Fat)), None)


def _run(words: list[str], timeout: float) -> None:
    if shutil.which(words[0]) is None:
        raise Missing(f"there is no program {words[0]}", hint="see `deploy` in the environment file")
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(words[0], f"it did not end in {timeout:g} s") from error
    if done.returncode != 0:
        raise ToolFailed(words[0], done.stdout[-_MOST_OUTPUT:].decode(errors="replace"))
