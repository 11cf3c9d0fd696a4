"""`bootwright kernel recipe`: a distribution's checkouts, made ready for another kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootwright.cli._parts.documents import print_json
from bootwright.cli._parts.values import OneOf
from bootwright.cli.kernels._common import printable

if TYPE_CHECKING:
    from bootwright.workshop.recipe.model import Recipe

_MOST_LINES = 12


def _forms() -> list[str]:
    from bootwright.workshop.recipe.form import FORMS

    return FORMS.names()


_EPILOG = """\b
Examples:
  bootwright kernel recipe siderolabs-pkgs ~/pkgs --kernel 6.19.14 --talos ~/talos --username me
  bootwright kernel recipe siderolabs-pkgs ~/pkgs --kernel 6.19.14 --fragment rp1.config --dry-run
  bootwright kernel recipe siderolabs-pkgs ~/pkgs --kernel 6.18.50 --tarball linux-6.18.50.tar.xz \\
    --hardening-checker ~/kernel-hardening-checker --drop-present

The checkout's own script that judges the hardening checker's answer is run, and the makefiles of the kernel:
use checkouts and kernels that you trust. `git diff` in the checkouts shows what was written.

Exit status: 0 the build will take it, 1 it will stop (nothing is written without --force), 2 usage or bad
input, 3 the hardening checker could not be asked.
"""


@click.command(name="recipe", epilog=_EPILOG)
@click.argument("form", type=OneOf(_forms, "recipe"))
@click.argument("checkout", type=click.Path(path_type=Path))
@click.option("--kernel", required=True, metavar="VERSION", help="The release of Linux, such as 6.19.14.")
@click.option(
    "--page-size",
    type=OneOf(("4k", "16k", "64k"), "page size"),
    default="4k",
    show_default=True,
    help="The kernel's pages.",
)
@click.option(
    "--fragment",
    "fragments",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Lines CONFIG_NAME=value that must be so in the end. May be repeated.",
)
@click.option(
    "--talos", type=click.Path(path_type=Path), help="The checkout that makes the image, to be edited too."
)
@click.option("--tarball", type=click.Path(path_type=Path), help="The kernel's tarball [fetched].")
@click.option(
    "--hardening-checker",
    type=click.Path(path_type=Path),
    help="kernel-hardening-checker, or a checkout of it [the one installed].",
)
@click.option("--drop-present", is_flag=True, help="Delete patches that the kernel has already.")
@click.option(
    "--toolchain",
    type=OneOf(("gcc", "llvm"), "toolchain"),
    default="gcc",
    show_default=True,
    help="The compiler to configure with; what the build's own decides stays as it is.",
)
@click.option("--registry", default="ghcr.io", show_default=True, help="Where images are pushed to.")
@click.option("--username", default="USERNAME", show_default=True, help="And below which name.")
@click.option("--tag", help="The tag of the kernel's package [vVERSION-PAGES].")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@click.option("--force", is_flag=True, help="Write also what the build will stop at.")
@click.option("--offline", is_flag=True, help="Use what is here already; no network.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/schemas/kernel-recipe.schema.json).")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    *,
    form: str,
    checkout: Path,
    kernel: str,
    page_size: str,
    fragments: tuple[Path, ...],
    talos: Path | None,
    tarball: Path | None,
    hardening_checker: Path | None,
    drop_present: bool,
    toolchain: str,
    registry: str,
    username: str,
    tag: str | None,
    dry_run: bool,
    force: bool,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Edit CHECKOUT so that the distribution's own build makes another kernel, and say what to run then.

    FORM is the distribution's way: siderolabs-pkgs, the packages of Talos Linux. Version and checksums, the
    whole configuration (by the new kernel's olddefconfig), every patch, the hardening options, the list of
    modules, the release that the image expects: all of it is checked before anything is written.
    """
    from bootwright import api
    from bootwright.foundation.progress import Lines, Silent

    recipe = api.kernel_recipe(
        form,
        checkout,
        kernel=kernel,
        page_size=page_size,
        fragments=fragments,
        talos=talos,
        tarball=tarball,
        hardening_checker=hardening_checker,
        drop_present=drop_present,
        toolchain=toolchain,
        registry=registry,
        username=username,
        tag=tag,
        force=force,
        dry_run=dry_run,
        offline=offline,
        progress=Silent() if quiet else Lines(),
    )
    if as_json:
        print_json(_as_json(recipe))
    else:
        _print(recipe)
    return recipe.verdict.exit_status


def _print(recipe: Recipe) -> None:
    click.echo(f"Linux {recipe.version} in place of {recipe.version_before}: {recipe.release}")
    for tried in recipe.patches:
        detail = f": {printable(tried.detail)}" if tried.detail else ""
        click.echo(f"  {tried.fit:8}  {printable(tried.name)}{detail}")
    came = [change for change in recipe.options if change.before is None]
    went = [change for change in recipe.options if change.after is None]
    other = [change for change in recipe.options if change.before is not None and change.after is not None]
    askable = [change for change in other if change.prompt]
    for change in askable[:_MOST_LINES]:
        click.echo(
            f"  option    CONFIG_{change.name}: {printable(change.before or '')} -> "
            f"{printable(change.after or '')} ({printable(change.because)})"
        )
    click.echo(
        f"  options   {len(other)} changed ({len(askable)} that can be asked for), {len(came)} are new, "
        f"{len(went)} are gone, {len(recipe.kept_options)} that the compiler decides are kept"
    )
    for module in recipe.modules[:_MOST_LINES]:
        click.echo(
            f"  module    {printable(module.before or '(new)')} -> {printable(module.after or '(gone)')}: "
            f"{module.because}"
        )
    if len(recipe.modules) > _MOST_LINES:
        click.echo(f"  modules   and {len(recipe.modules) - _MOST_LINES} more lines")
    for complaint in recipe.hardening.complaints:
        click.echo(f"  hardening {printable(complaint)}")
    if recipe.hardening.unknown is not None:
        click.echo(f"  hardening unknown: {printable(recipe.hardening.unknown)}")
    for edit in recipe.edits:
        state = "written" if recipe.written else "not written"
        click.echo(f"  {state}: {edit.checkout / edit.path} ({printable(edit.what)})")
    for title, commands in (
        ("in the packages", recipe.packages_commands),
        ("in the image's checkout", recipe.image_commands),
        ("and afterwards", (recipe.proof,) if recipe.image_commands else ()),
    ):
        if commands:
            click.echo(f"{title}:")
            for line in commands:
                click.echo(f"  {line}")


def _as_json(recipe: Recipe) -> dict[str, object]:
    """The document of docs/schemas/kernel-recipe.schema.json."""
    from bootwright.api.workshop.packaging import SCHEMA

    return {
        "schema": SCHEMA,
        "form": recipe.form,
        "verdict": str(recipe.verdict),
        "version": recipe.version,
        "version_before": recipe.version_before,
        "release": recipe.release,
        "written": recipe.written,
        "edits": [
            {"path": str(edit.checkout / edit.path), "deleted": edit.text is None, "what": edit.what}
            for edit in recipe.edits
        ],
        "patches": [
            {"name": tried.name, "fit": str(tried.fit), "detail": tried.detail} for tried in recipe.patches
        ],
        "options": [
            {
                "name": f"CONFIG_{change.name}",
                "before": change.before,
                "after": change.after,
                "because": change.because,
                "prompt": change.prompt,
            }
            for change in recipe.options
        ],
        "kept_options": [f"CONFIG_{name}" for name in recipe.kept_options],
        "modules": [
            {"before": change.before, "after": change.after, "because": change.because}
            for change in recipe.modules
        ],
        "hardening": {
            "complaints": list(recipe.hardening.complaints),
            "unknown": recipe.hardening.unknown,
        },
        "packages_commands": list(recipe.packages_commands),
        "image_commands": list(recipe.image_commands),
        "proof": recipe.proof,
    }
