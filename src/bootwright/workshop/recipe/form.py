"""How a distribution builds its kernel: one file of `data/kernel-recipes/` each."""

from __future__ import annotations

from attrs import field, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM


@frozen
class PackageFiles:
    """Where things are in the checkout of the packages, as paths from its root."""

    versions: str
    """Lines `linux_version:`, `linux_sha256:` and `linux_sha512:`."""
    config: str
    """The kernel's whole configuration."""
    patches: str
    """A folder; its `*.patch` are applied in the order of their paths."""
    hardening_filter: str
    """The script that reads the hardening checker's JSON, and fails the build by it."""
    hardening_reference: str
    """The variable with the commit of the checker that the build takes."""


@frozen
class ImageFiles:
    """Where things are in the checkout that makes images of the packages."""

    modules: str
    """The modules that are taken into the image, one path a line."""
    release: str
    """A Go file with `DefaultKernelVersion = "…"`."""
    makefile: str
    package: str
    """Its variable for the kernel's package alone."""
    packages: str
    """Its variable for the tag of all packages, where it has none for the kernel's."""


@frozen
class Commands:
    """What to run then, in each checkout, with `{registry}`, `{username}`, `{tag}`."""

    packages: tuple[str, ...]
    image: tuple[str, ...]
    proof: str
    """The command that says whether the image holds that kernel, with both checkouts' paths."""


@frozen
class Form:
    """A distribution's way."""

    name: str = field(metadata=STEM)
    what: str
    source: str
    architecture: str
    """As the kernel's make calls it."""
    tarball: str
    """Address of a release, with `{major}` and `{version}`."""
    packages: PackageFiles
    image: ImageFiles
    commands: Commands


FORMS = Kind("kernel-recipes", "a distribution's way to build its kernel", Form)
