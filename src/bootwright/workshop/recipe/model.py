"""What is asked of a recipe, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.verdict import Verdict
from bootwright.workshop.configuring.options import Asked
from bootwright.workshop.recipe.form import Form
from bootwright.workshop.recipe.hardening import Hardening
from bootwright.workshop.recipe.module_list import ModuleChange
from bootwright.workshop.recipe.options import OptionChange
from bootwright.workshop.recipe.patching import Tried


@frozen
class Asking:
    """Another kernel in a distribution's checkouts."""

    form: Form
    packages: Path
    """The checkout of the packages."""
    image: Path | None
    """The checkout that makes the image; None leaves it alone."""
    version: str
    """Of the kernel: `6.19.14`."""
    tarball: Path
    asked: Mapping[str, Asked]
    """Options by name without `CONFIG_`, the page size among them."""
    toolchain: str
    checker: Path | None
    """The hardening checker, or a checkout of it."""
    drop_present: bool
    """Delete patches that the kernel has already."""
    registry: str
    username: str
    tag: str


@frozen
class Edit:
    """A file of a checkout that becomes another."""

    checkout: Path
    path: str
    """From the checkout's root."""
    text: str | None = field(repr=False)
    """None: it is deleted."""
    what: str
    """In words."""


@frozen
class Recipe:
    """A distribution's checkouts, made ready for another kernel."""

    form: str
    version: str
    version_before: str
    release: str
    """What `uname -r` will say."""
    edits: tuple[Edit, ...]
    patches: tuple[Tried, ...]
    options: tuple[OptionChange, ...]
    kept_options: tuple[str, ...]
    """Options that the compiler of the build decides, left as they were."""
    modules: tuple[ModuleChange, ...]
    hardening: Hardening
    packages_commands: tuple[str, ...]
    """To run in the checkout of the packages, in order."""
    image_commands: tuple[str, ...]
    """To run in the checkout that makes the image; none without one."""
    proof: str
    """The command that says afterwards whether the image holds that kernel."""
    written: bool = False

    @property
    def verdict(self) -> Verdict:
        """`fails`: the build will stop, at a patch or an option; `unknown`: nobody asked the checker."""
        if self.hardening.complaints or any(not tried.applies for tried in self.patches):
            return Verdict.FAILS
        return Verdict.UNKNOWN if self.hardening.unknown is not None else Verdict.WORKS
