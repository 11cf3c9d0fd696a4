"""Whether folders are the checkouts that a recipe edits: looked at before anything long begins."""

from __future__ import annotations

from pathlib import Path

from bootwright.workshop.configuring.options import parse_fragment
from bootwright.workshop.recipe import versions
from bootwright.workshop.recipe.form import Form

_ANY = versions.Checksums("0", "0")


def check_checkouts(form: Form, packages: Path, image: Path | None) -> None:
    """Find every line that the recipe will replace; `image` None: that checkout is left alone.

    Raises `Missing` for a file that a checkout lacks, `Malformed` for one of another form.
    """
    files, title = form.packages, package_title(form)
    text = versions.read_text(packages, files.versions, title)
    versions.with_kernel(text, str(packages / files.versions), "0", _ANY)
    parse_fragment(versions.read_text(packages, files.config, title).encode(), str(packages / files.config))
    if image is None:
        return
    versions.read_text(image, form.image.modules, form.what)
    text = versions.read_text(image, form.image.release, form.what)
    versions.with_release(text, str(image / form.image.release), "0")
    text = versions.read_text(image, form.image.makefile, form.what)
    names = (form.image.package, form.image.packages)
    versions.with_package(text, str(image / form.image.makefile), names, "0", "0")


def package_title(form: Form) -> str:
    """What the checkout of the packages is, for messages."""
    return f"{form.name} ({form.source.partition(' ')[0]})"
