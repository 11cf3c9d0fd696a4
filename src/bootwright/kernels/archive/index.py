"""What the archive offers, verified and kept: signature → Release → Packages → the kernels in it."""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import asdict, evolve, field, frozen

from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import Decompressed, SourceStream
from bootwright.formats.sources.transport import NotThere, Transport, Unreachable
from bootwright.foundation import atomic
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.kernels.archive import apt
from bootwright.kernels.archive.keys import Keys, binary_key, installed_keyring, signed_text
from bootwright.kernels.archive.packages import Package, read_packages, version_key
from bootwright.kernels.archive.release import Release, read_release
from bootwright.kernels.source import Layout, Source

# Long enough for a session of work, short against the weeks between two kernels of a suite.
_FRESH_SECONDS = 6 * 3600
_MOST_RELEASE = 8 << 20
_MOST_INDEX = 512 << 20
_SCHEMA = 2
_INDEX_KINDS = ((".xz", "xz"), (".gz", "gzip"), ("", None))


@frozen
class Suite:
    """One suite as it was read."""

    name: str
    archive: str
    date: str
    checked: str
    """What was verified, in words, for the provenance of a kernel."""
    head_sha256: str
    """Of the signed file, to see whether the suite has changed."""
    validators: dict[str, str]
    packages: tuple[Package, ...]


@frozen
class Index:
    """All suites of a source, as they were read at `fetched` (seconds since 1970)."""

    source: str
    fetched: float
    suites: tuple[Suite, ...]
    schema: int = _SCHEMA

    @property
    def fresh(self) -> bool:
        """Whether there is no need to ask the archive again."""
        return 0 <= time.time() - self.fetched < _FRESH_SECONDS


@frozen
class Entry:
    """A kernel that the archive has, with the packages it is made of."""

    name: str
    version: Version
    release: str
    flavour: str
    page_size: int
    source: Source = field(repr=False)
    layout: Layout = field(repr=False)
    suite: Suite = field(repr=False)
    boot: tuple[Package, ...]
    modules: tuple[Package, ...]
    """Empty when one of the packages has left the archive."""
    absent: tuple[str, ...]
    """Names of the packages that have left the archive."""


def entries(source: Source, index: Index) -> list[Entry]:
    """The kernels of an index, one a name; of several builds the newest, then that of the first suite."""
    best: dict[str, Entry] = {}
    for suite in index.suites:
        for entry in _of_suite(source, suite):
            known = best.get(entry.name)
            if known is None or version_key(known.boot[0].version) < version_key(entry.boot[0].version):  # type: ignore[operator]
                best[entry.name] = entry
    return sorted(best.values(), key=lambda entry: (entry.version, -entry.page_size), reverse=True)


def _of_suite(source: Source, suite: Suite) -> Iterator[Entry]:
    newest: dict[str, Package] = {}
    for package in suite.packages:
        known = newest.get(package.name)
        if known is None or version_key(known.version) < version_key(package.version):  # type: ignore[operator]
            newest[package.name] = package
    for layout in source.layout:
        for name, package in newest.items():
            named = source.named(layout.boot[0], name, package.version)
            if named is None or named.version is None or not layout.holds(named.version):
                continue
            boot = [part.format(release=named.release) for part in layout.boot]
            modules = [part.format(release=named.release) for part in layout.modules]
            more = [part.format(release=named.release) for part in layout.also]
            # Parts of different builds do not belong together.
            there = {
                part: newest[part]
                for part in (*boot, *modules, *more)
                if part in newest and newest[part].version == package.version
            }
            modules += [part for part in more if part in there]
            yield Entry(
                name=source.kernel_name(named.version, named.flavour),
                version=named.version,
                release=named.release,
                flavour=named.flavour,
                page_size=source.flavours[named.flavour],
                source=source,
                layout=layout,
                suite=suite,
                boot=tuple(there[part] for part in boot if part in there),
                modules=tuple(there[part] for part in modules) if set(modules) <= set(there) else (),
                absent=tuple(dict.fromkeys(part for part in (*boot, *modules) if part not in there)),
            )


class Indexer:
    """Reads a source's suites from the first archive that serves them, and keeps the result."""

    def __init__(
        self,
        folder: Path,
        transport: Transport,
        progress: Progress,
        *,
        archive: str | None,
        offline: bool,
        wanted: Callable[[str], bool] | None = None,
    ) -> None:
        """`wanted` says which packages count, by name: without, those that the source's layouts name."""
        self._folder = folder
        self._transport = transport
        self._progress = progress
        self._archive = archive
        self._offline = offline
        self._wanted = wanted
        self._dead: dict[str, Unreachable] = {}

    def get(self, source: Source) -> Index | None:
        """The index of `source`: the kept one while fresh or offline, else read anew.

        None when there is neither a kept one nor, offline, a way to get one. Raises `Unreachable` or the
        archive's error when there is nothing to fall back on.
        """
        key = hashlib.sha256((self._archive or "").encode()).hexdigest()[:12]
        path = self._folder / f"{source.name}-{_SCHEMA}-{key}.json"
        kept = _load(path, source)
        if self._offline or (kept is not None and kept.fresh):
            return kept
        try:
            index = self._read(source, kept)
        except (Unreachable, NotThere) as error:
            if kept is None:
                raise
            self._progress.note(f"{error.message}; going by the list of {_when(kept.fetched)}")
            return kept
        atomic.write_text(path, json.dumps(asdict(index)))
        return index

    def _read(self, source: Source, kept: Index | None) -> Index:
        suites: list[Suite] = []
        first_error: BootwrightError | None = None
        for name in source.suites:
            try:
                known = next((suite for suite in kept.suites if suite.name == name), None) if kept else None
                suites.append(self._suite(source, name, known))
            except (Unreachable, NotThere) as error:
                if kept is not None and isinstance(error, Unreachable):
                    raise
                first_error = first_error or error
        if not suites:
            raise first_error or Refused(f"{source.title}: no suite to read")
        if first_error is not None:
            self._progress.note(f"{first_error.message}; its kernels are not listed")
        return Index(source=source.name, fetched=time.time(), suites=tuple(suites))

    def _addresses(self, source: Source) -> list[str]:
        if self._archive:
            return [self._archive.rstrip("/")]
        if source.archives:
            addresses = [*apt.certain_archives(source.origins), *source.archives]
        else:
            addresses = apt.archives(source.origins, source.keyring_package)
        return [*addresses, source.snapshot.address] if source.snapshot else addresses

    def _suite(self, source: Source, name: str, known: Suite | None) -> Suite:
        error: BootwrightError | None = None
        addresses = self._addresses(source)
        for address in addresses:
            try:
                if address in self._dead:
                    raise self._dead[address]
                return self._suite_from(source, name, address, known)
            except Unreachable as failure:
                self._dead[address] = failure
                error = error or failure
            except NotThere as failure:
                error = error or failure
            except Refused as failure:
                # An archive that apt knows may be another one altogether; one that was named may not.
                if address == addresses[-1]:
                    raise
                self._progress.note(f"{failure.message}; trying the next archive")
        if isinstance(error, NotThere):
            raise NotThere(f"no archive here serves {name}: {error.message}", hint=error.hint)
        raise error or Missing(
            f"no archive to read {source.title} kernels from", hint="name one with --archive URL"
        )

    def _suite_from(self, source: Source, name: str, address: str, known: Suite | None) -> Suite:
        base = f"{address}/dists/{name}"
        known = known if known is not None and known.archive == address else None
        head, validators, release = self._head(source, base, known)
        if known is not None and (release is None or head == known.head_sha256):
            return evolve(known, validators=validators)
        if release is None:
            raise Malformed(base, None, "InRelease", "no answer with a body")
        if release.origin not in source.origins or name not in {release.codename, release.suite}:
            raise Refused(
                f"{base} is {release.origin!r} {release.codename!r}, not {source.title} {name}",
                hint="name another archive with --archive",
            )
        freshness = self._freshness(
            release, base, pinned=source.snapshot is not None and address == source.snapshot.address
        )
        with self._progress.step(f"read the package list of {name}"):
            packages, index_name = self._packages(source, release, base)
        return Suite(
            name=name,
            archive=address,
            date=release.date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            checked=f"{name} of {release.date:%Y-%m-%d} signed by {', '.join(release.signers)}{freshness}; "
            f"{index_name} has the SHA256 given there",
            head_sha256=head,
            validators=validators,
            packages=packages,
        )

    def _head(
        self, source: Source, base: str, known: Suite | None
    ) -> tuple[str, dict[str, str], Release | None]:
        """SHA256 of the signed file, its validators, and what it says (None: unchanged since `known`)."""
        keys = self._keys(source)
        url = f"{base}/InRelease"
        try:
            answer = self._transport.small(
                url,
                limit=_MOST_RELEASE,
                validators=known.validators if known else None,
                patient=known is None,
            )
            if answer.body is None:
                return known.head_sha256 if known else "", dict(answer.validators), None
            body = answer.body
            text, signers = signed_text(body, keys, url)
        except NotThere as missing:
            url = f"{base}/Release"
            try:
                answer = self._transport.small(url, limit=_MOST_RELEASE)
                detached = self._transport.small(f"{url}.gpg", limit=_MOST_RELEASE)
            except NotThere:
                raise missing from None
            body = answer.body or b""
            text, signers = signed_text(body, keys, url, signature=detached.body or b"")
        return hashlib.sha256(body).hexdigest(), dict(answer.validators), read_release(text, url, signers)

    def _keys(self, source: Source) -> Keys:
        """The source's keys: of this machine, else fetched and trusted by their fingerprint only."""
        keyring = installed_keyring(source.keyrings)
        if keyring is not None:
            return Keys(keyring, source.keys)
        if source.key_address is None:
            raise Missing(
                f"the archive's keys are not installed ({', '.join(source.keyrings)})",
                hint=f"install {source.keyring_package}",
            )
        kept = self._folder.parent / "keys" / f"{'-'.join(source.keys)}.gpg"
        if not kept.is_file():
            try:
                answer = self._transport.small(source.key_address, limit=_MOST_RELEASE)
            except (Unreachable, NotThere) as error:
                hint = f"install {source.keyring_package}, or check the network: the archive's key is needed"
                kind = NotThere if isinstance(error, NotThere) else Unreachable
                raise kind(error.message, hint=hint) from error
            atomic.write_bytes(kept, binary_key(answer.body or b"", source.key_address))
        return Keys(kept, source.keys)

    def _freshness(self, release: Release, base: str, *, pinned: bool) -> str:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        if release.date > now + day:
            self._progress.note(f"{base} is dated {release.date:%Y-%m-%d}: is this machine's clock right?")
            return " (dated in the future by this machine's clock)"
        if pinned:
            return " (a pinned state of the archive)"
        if release.valid_until is not None and release.valid_until < now:
            self._progress.note(
                f"{base} was valid until {release.valid_until:%Y-%m-%d}: a stale mirror, or a wrong clock"
            )
            return f" (valid until {release.valid_until:%Y-%m-%d}, used after that)"
        return ""

    def _packages(self, source: Source, release: Release, base: str) -> tuple[tuple[Package, ...], str]:
        stem = f"{source.component}/binary-{source.architecture}/Packages"
        best = next(
            ((stem + suffix, kind) for suffix, kind in _INDEX_KINDS if stem + suffix in release.files), None
        )
        if best is None:
            raise Malformed(f"{base}/InRelease", None, stem, "no such file in its list")
        path, kind = best
        digest, size = release.files[path]
        if size > _MOST_INDEX:
            raise Malformed(f"{base}/{path}", None, f"an index below {_MOST_INDEX} bytes", str(size))
        body = self._index_file(base, path, digest, size, by_hash=release.by_hash)
        where = f"{base}/{path}"
        if len(body) != size or hashlib.sha256(body).hexdigest() != digest:
            raise Malformed(
                where,
                None,
                f"{size} bytes with SHA256 {digest[:16]}… as signed in InRelease",
                f"{len(body)} bytes with SHA256 {hashlib.sha256(body).hexdigest()[:16]}…",
                hint="the mirror is being updated or was tampered with; try later, or another --archive",
            )
        plain = SourceStream(Bytes(body, where))
        limit = release.files.get(stem, ("", _MOST_INDEX))[1]
        stream = plain if kind is None else Decompressed(plain, kind, where, limit=limit)
        parts = source.parts

        def of_kernel(name: str) -> bool:
            return any(source.named(part, name) is not None for part in parts)

        wanted = self._wanted or of_kernel
        return tuple(read_packages(stream, where, wanted, source.architecture)), path

    def _index_file(self, base: str, path: str, digest: str, size: int, *, by_hash: bool) -> bytes:
        if by_hash:
            folder = path.rpartition("/")[0]
            try:
                return (
                    self._transport.small(f"{base}/{folder}/by-hash/SHA256/{digest}", limit=size).body or b""
                )
            except NotThere:
                pass
        return self._transport.small(f"{base}/{path}", limit=size).body or b""


def _load(path: Path, source: Source) -> Index | None:
    """A kept index; None when there is none, or it is damaged or of another schema (it is only a cache)."""
    import cattrs

    try:
        data: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
        index = cattrs.structure(data, Index)
    except (OSError, ValueError, cattrs.BaseValidationError, TypeError, KeyError):
        return None
    known: Sequence[str] = source.suites
    return index if index.schema == _SCHEMA and all(suite.name in known for suite in index.suites) else None


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
