"""A distribution's checkouts made ready for another kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.api._common import reporter, texts

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.workshop.recipe.form import Form
    from bootwright.workshop.recipe.model import Recipe

SCHEMA = "bootwright/kernel-recipe/1"


def kernel_recipe(
    form: str,
    checkout: str | Path,
    *,
    kernel: str,
    page_size: str = "4k",
    fragments: str | Path | Sequence[str | Path] = (),
    talos: str | Path | None = None,
    tarball: str | Path | None = None,
    hardening_checker: str | Path | None = None,
    drop_present: bool = False,
    toolchain: str = "gcc",
    registry: str = "ghcr.io",
    username: str = "USERNAME",
    tag: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
) -> Recipe:
    """Edit a distribution's checkouts so that its own build makes that kernel; what was found out on the way.

    `form` is one of `data/kernel-recipes/`: `siderolabs-pkgs`. `kernel` is a version such as `6.19.14`,
    whose `tarball` is given or fetched. `talos` is a checkout that makes images of the packages.
    `hardening_checker` is the build's checker or a checkout of it. `drop_present` deletes patches that the
    kernel has already. `registry`, `username` and `tag` (None: of version and page size) go into the
    commands and the image's Makefile. Nothing is written with `dry_run`, nor where the build would stop (at
    a patch, or a hardening option) unless `force`.

    Raises `Missing` for a file or program that is not there, and for the tarball where it would have to be
    fetched `offline`; `Malformed` for a checkout of another form; `Refused` for an option that does not
    stick, with the dependency that took it.

        kernel_recipe("siderolabs-pkgs", "pkgs", kernel="6.19.14", talos="talos").verdict
    """
    import re

    from bootwright.foundation.choices import one_of
    from bootwright.foundation.errors import Missing, Refused
    from bootwright.foundation.verdict import Verdict
    from bootwright.workshop.building.configure import PAGE_SIZES, wanted_options
    from bootwright.workshop.building.toolchain import find_toolchain
    from bootwright.workshop.configuring.options import read_fragment
    from bootwright.workshop.recipe.checkouts import check_checkouts
    from bootwright.workshop.recipe.form import FORMS
    from bootwright.workshop.recipe.hardening import find_checker
    from bootwright.workshop.recipe.model import Asking
    from bootwright.workshop.recipe.recipe import prepare, write
    from bootwright.workshop.trees.given import open_tree
    from bootwright.workshop.trees.packages import Archive

    progress = reporter(progress)
    one_of(page_size, PAGE_SIZES, what="page size", kind="page sizes")
    known = FORMS.get(form)
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?(-rc\d+)?", kernel):
        raise Refused(f"{kernel!r} is no version of a kernel", hint="name one release, such as 6.19.14")
    for place in (checkout, talos):
        if place is not None and not Path(place).expanduser().is_dir():
            raise Missing(f"there is no folder {place}", hint=f"give a checkout of {known.what}")
    packages = Path(checkout).expanduser()
    image = Path(talos).expanduser() if talos is not None else None
    checker = Path(hardening_checker).expanduser() if hardening_checker is not None else None
    check_checkouts(known, packages, image)
    find_checker(checker)
    find_toolchain(toolchain)
    asked, _ = wanted_options((), [read_fragment(Path(path)) for path in texts(fragments)], page_size, kernel)
    path = _tarball(known, kernel, tarball, offline=offline, progress=progress)
    recipe = prepare(
        Asking(
            form=known,
            packages=packages,
            image=image,
            version=kernel,
            tarball=path,
            asked=asked,
            toolchain=toolchain,
            checker=checker,
            drop_present=drop_present,
            registry=registry,
            username=username,
            tag=tag or f"v{kernel}-{page_size}",
        ),
        open_tree(str(path), Archive(None, offline, progress)),
        progress,
    )
    if dry_run or (recipe.verdict is Verdict.FAILS and not force):
        return recipe
    return write(recipe)


def _tarball(
    form: Form, version: str, given: str | Path | None, *, offline: bool, progress: Progress
) -> Path:
    from bootwright.foundation.errors import Missing

    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise Missing(f"there is no file {given}", hint=f"give the tarball of Linux {version}")
        return path
    address = form.tarball.format(major=version.partition(".")[0], version=version)
    if offline:
        raise Missing(
            f"the checksums are those of {address}, which would have to be fetched",
            hint="give the file with --tarball, or run it once without --offline",
        )
    from bootwright.formats.sources.url import fetch_url

    return fetch_url(address, progress)
