"""Released kernels between two of the catalogue, as the history of a goal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.versions import Version
from bootwright.kernels.catalogue import variant_of
from bootwright.kernels.model import Kernel, Listed
from bootwright.workshop.trials.trials import Unbuildable


@frozen
class Release:
    """A kernel of the catalogue, as a subject."""

    listed: Listed
    get: Callable[[str], Kernel]

    @property
    def key(self) -> str:
        """See `Subject`."""
        return self.listed.name

    @property
    def title(self) -> str:
        """See `Subject`."""
        return self.listed.name

    def kernel(self) -> Kernel:
        """The kernel, fetched where it is not here; raises `Unbuildable` where it cannot be had any more."""
        try:
            return self.get(self.listed.name)
        except Refused as error:
            raise Unbuildable(error.message) from error


def between(good: Listed, bad: Listed, listed: Sequence[Listed]) -> tuple[Listed, ...]:
    """The kernels from the older to the newer of two, both included, of the same source, pages and variant.

    Of several packages of one version the first is taken. Raises `Refused` where the two are not of one line,
    or there is nothing to search.
    """
    for what, first, second in (
        ("source", good.source, bad.source),
        ("page size", good.page_size, bad.page_size),
        ("variant", variant_of(good.name), variant_of(bad.name)),
    ):
        if first != second:
            raise Refused(
                f"{good.name} and {bad.name} differ in their {what} too, not in version alone",
                hint="give two kernels of one source with the same page size",
            )
    if good.version == bad.version:
        raise Refused(f"{good.name} and {bad.name} are of the same version", hint="give two that differ")
    oldest, newest = sorted((good.version, bad.version))
    line: dict[Version, Listed] = {good.version: good, bad.version: bad}
    for kernel in listed:
        alike = kernel.source == good.source and kernel.page_size == good.page_size
        if alike and variant_of(kernel.name) == variant_of(good.name) and oldest <= kernel.version <= newest:
            line.setdefault(kernel.version, kernel)
    return tuple(line[version] for version in sorted(line))
