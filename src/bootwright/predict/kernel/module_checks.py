"""Asks `kernels.module_rules` about the modules a device needs, and keeps what was read.

Two steps. What the index of a module tree has (folder, readable or not, vermagic, signed or not) is asked for
every module and costs nothing. The file itself (signature, symbols, CRCs) is asked only for modules on the
chain of a goal, and the answer is kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict

from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.modules.module_index import ModuleIndex
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.cache import GATE
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.kernels.module_rules import (
    ModuleRules,
    Refusal,
    enforcement,
    folder_refusal,
    unreadable,
)

if TYPE_CHECKING:
    from bootwright.formats.kernel.exports import KernelExports
    from bootwright.formats.modules.module_symbols import ModuleSymbols
    from bootwright.formats.signing.kernel_keys import Certificate

_FORMAT = 1


class ModuleChecks:
    """Whether one kernel, with its arguments, takes the modules of one tree."""

    def __init__(
        self,
        image: Path,
        image_sha256: str,
        release: str,
        tree: Path,
        index: ModuleIndex,
        *,
        config: KernelConfig | None,
        arguments: tuple[str, ...],
    ) -> None:
        self._image = image
        self._sha256 = image_sha256 or hashlib.sha256(image.read_bytes()).hexdigest()
        self._release = release
        self._tree = tree
        self._index = index
        self._folder = folder_refusal(str(tree), release)
        options = config.options if config is not None else None
        self._rules = ModuleRules(
            self._bare,
            release,
            enforcement(config, arguments),
            exports=lambda: self._exports,
            keys=lambda: self._keys,
            vermagic=self._known["vermagic"],
            force_load=options is None or options.get("CONFIG_MODULE_FORCE_LOAD") == "y",
        )
        self._symbols: dict[str, ModuleSymbols | None] = {}
        self._kept: dict[str, Any] | None = None

    def by_index(self, module: str) -> Refusal | None:
        """What the index tells of a module that is in it."""
        if self._folder is not None:
            return self._folder
        path = self._index.path(module)
        damage = self._index.damage(module)
        if damage:
            return unreadable(path, damage)
        return self._rules.by_modinfo(
            path,
            vermagic=self._index.vermagic(module),
            crcs=self._index.has_crcs(module),
            signed=self._index.is_signed(module),
        )

    def whole_tree(self) -> Refusal | None:
        """Why no module of the tree is taken: its folder's name, or what one of its modules was built for."""
        if self._folder is not None:
            return self._folder
        first = self._index.first
        if first is None:
            return None
        return self._rules.by_modinfo(
            self._index.path(first),
            vermagic=self._index.vermagic(first),
            crcs=self._index.has_crcs(first),
            signed=True,
        )

    def by_file(self, modules: Iterable[str]) -> Refusal | None:
        """The first refusal of these modules' files; those they depend on should be among them."""
        names = [name for name in dict.fromkeys(modules) if name in self._index]
        kept = self._answers()
        keys = {name: self._key(name) for name in names}
        before = len(kept)
        refusal: Refusal | None = None
        for name in names:
            key = keys[name]
            if key not in kept:
                answer = self._ask(name)
                kept[key] = asdict(answer) if answer is not None else None
            if kept[key] is not None:
                refusal = Refusal(**kept[key])
                break
        if len(kept) != before:
            GATE.write(self._store("answers"), json.dumps({"format": _FORMAT, "answers": kept}).encode())
        return refusal

    def init_functions(self, module: str) -> tuple[str, ...]:
        """Names of a module's init function, as `initcall_blacklist=` takes them."""
        symbols = self._symbols_of(module)
        return symbols.init if symbols is not None else ()

    def _key(self, module: str) -> str:
        """A file by its path, size and time of change: trees in the library never change."""
        path = self._index.path(module)
        try:
            status = (self._tree / path).stat()
        except OSError:
            return f"{path} gone"
        return f"{path} {status.st_size} {status.st_mtime_ns}"

    def _ask(self, module: str) -> Refusal | None:
        path = self._index.path(module)
        try:
            data = self._data(module)
        except (BootwrightError, OSError) as error:
            return unreadable(path, str(error))
        return self._rules.refusal(path, data, self._provided(module))

    def _provided(self, module: str) -> dict[str, int | None] | None:
        """What the modules it depends on export; None where one of them cannot be read."""
        exports: dict[str, int | None] = {}
        for other in self._index.closure(module, soft=False):
            symbols = self._symbols_of(other) if other in self._index else None
            if symbols is None:
                return None
            exports.update(symbols.exports)
        return exports

    def _data(self, module: str) -> bytes:
        from bootwright.formats.modules.module_file import unpack_module

        path = self._index.path(module)
        return unpack_module((self._tree / path).read_bytes(), path)

    def _symbols_of(self, module: str) -> ModuleSymbols | None:
        if module not in self._symbols:
            from bootwright.formats.modules.elf_object import read_object
            from bootwright.formats.modules.module_symbols import module_symbols

            self._symbols[module] = None
            with contextlib.suppress(BootwrightError, OSError):
                self._symbols[module] = module_symbols(read_object(self._data(module), module))
        return self._symbols[module]

    def _bare(self) -> bytes:
        from bootwright.formats.kernel.arm64_image import unwrapped

        source = unwrapped(FileBytes(self._image))[0]
        return source.read(0, source.size)

    def _answers(self) -> dict[str, Any]:
        if self._kept is None:
            document = _read(self._store("answers"))
            answers = document.get("answers")
            self._kept = answers if isinstance(answers, dict) and _sound(answers) else {}
        return self._kept

    def _store(self, what: str) -> Path:
        name = self._sha256
        if what == "answers":
            enforced = self._rules.enforced
            identity = f"{_FORMAT}\0{self._sha256}\0{self._tree}\0{enforced}"
            name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
        return GATE.folder() / f"{name}.{what}.json"

    @cached_property
    def _known(self) -> dict[str, Any]:
        """The image's vermagic and keys, read once: searching 40 MB takes a quarter of a second."""
        path = self._store("image")
        document = _read(path)
        vermagic, keys = document.get("vermagic"), document.get("keys")
        if (isinstance(vermagic, str) or vermagic is None) and isinstance(keys, list):
            return document
        from bootwright.formats.kernel.exports import vermagic_of
        from bootwright.formats.signing.kernel_keys import certificate_data

        data = self._bare()
        document = {
            "format": _FORMAT,
            "vermagic": vermagic_of(data, self._release),
            "keys": [certificate.hex() for certificate in certificate_data(data)],
        }
        GATE.write(path, json.dumps(document).encode())
        return document

    @cached_property
    def _keys(self) -> list[Certificate]:
        from bootwright.formats.signing.kernel_keys import read_certificate

        return [read_certificate(bytes.fromhex(certificate)) for certificate in self._known["keys"]]

    @cached_property
    def _exports(self) -> KernelExports | None:
        from bootwright.formats.kernel.exports import KernelExports, read_exports

        path = self._store("exports")
        document = _read(path)
        symbols = document.get("symbols")
        if not isinstance(symbols, dict):
            try:
                symbols = dict(read_exports(self._bare(), self._release, str(self._image)).symbols)
            except Malformed:
                symbols = {}
            GATE.write(path, json.dumps({"format": _FORMAT, "symbols": symbols}).encode())
        return KernelExports(self._known["vermagic"], symbols)


def _read(path: Path) -> dict[str, Any]:
    """A document of ours; empty where it is not there, damaged, or of another form."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(GATE.read(path))
        if isinstance(document, dict) and document.get("format") == _FORMAT:
            return document
    return {}


def _sound(answers: Mapping[str, Any]) -> bool:
    wanted = {"file", "reason", "remedy", "rule", "certain"}
    return all(
        answer is None or (isinstance(answer, dict) and set(answer) == wanted) for answer in answers.values()
    )
