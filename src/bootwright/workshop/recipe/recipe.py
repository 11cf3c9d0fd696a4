"""Make a distribution's checkouts ready for another kernel: all of it found out first, then written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen

from bootwright.foundation import atomic
from bootwright.foundation.cache import KERNEL_BUILDS
from bootwright.foundation.errors import Refused
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress
from bootwright.workshop.building.make import Make
from bootwright.workshop.building.toolchain import find_toolchain, jobs
from bootwright.workshop.configuring.options import parse_fragment
from bootwright.workshop.recipe import hardening, kbuild, patching, versions
from bootwright.workshop.recipe.checkouts import package_title
from bootwright.workshop.recipe.model import Asking, Edit, Recipe
from bootwright.workshop.recipe.module_list import ModuleChange, fitted
from bootwright.workshop.recipe.options import NewConfig, carried_over
from bootwright.workshop.trees.model import KernelTree
from bootwright.workshop.trees.patched import lay_out


def prepare(asking: Asking, tree: KernelTree, progress: Progress) -> Recipe:
    """What would have to be written, and what the build will say to it; nothing is written yet.

    Raises `Missing` for a file that a checkout lacks, `Malformed` for one of another form, `Refused` for a
    tarball of another version and an option that does not stick.
    """
    if tree.version != _whole(asking.version):
        raise Refused(
            f"{asking.tarball} is Linux {tree.version}, and --kernel says {asking.version}",
            hint=f"give the tarball of {asking.version}, or --kernel {tree.version}",
        )
    place = KERNEL_BUILDS.folder() / f"recipe-{tree.identity.rpartition(' ')[2][:24]}"
    with locked(KERNEL_BUILDS.folder() / f"{place.name}.lock", progress):
        KERNEL_BUILDS.used(place)
        return _Preparer(asking, tree, place, progress).recipe()


def write(recipe: Recipe) -> Recipe:
    """Write the files, each whole; raises `Missing` where a disk is full or a file may not be written."""
    for edit in recipe.edits:
        path = edit.checkout / edit.path
        if edit.text is None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise atomic.explained(error, path) from error
        else:
            atomic.write_text(path, edit.text)
    return evolve(recipe, written=True)


@frozen
class _Preparer:
    asking: Asking
    tree: KernelTree
    place: Path
    progress: Progress

    def recipe(self) -> Recipe:
        asking = self.asking
        files = asking.form.packages
        title = package_title(asking.form)
        version_text = versions.read_text(asking.packages, files.versions, title)
        config_text = versions.read_text(asking.packages, files.config, title)
        before = parse_fragment(config_text.encode(), str(asking.packages / files.config))
        patches = patching.read_patches(asking.packages, files.patches)
        applied = patching.apply(self.tree, patches)
        folder = lay_out(self.tree, applied.touched, self.place, self.progress)
        toolchain = find_toolchain(asking.toolchain)
        make = Make(
            folder, self.place / "output", toolchain, jobs(None), self.place / "build.log", self.progress
        )
        config = carried_over(make, before, config_text, asking.asked, self.progress)
        release = self.tree.version + config.values.get("LOCALVERSION", "").strip('"')
        changes, list_edit = self._modules(folder, config)
        return Recipe(
            form=asking.form.name,
            version=asking.version,
            version_before=versions.variable(version_text, "linux_version") or "",
            release=release,
            edits=(
                *self._packages_edits(version_text, config),
                *self._dropped(applied.tried),
                *list_edit,
                *self._image_edits(release),
            ),
            patches=tuple(
                tried
                for tried in applied.tried
                if not (asking.drop_present and tried.fit is patching.Fit.PRESENT)
            ),
            options=config.changes,
            kept_options=config.kept,
            modules=changes,
            hardening=self._hardening(config, version_text),
            packages_commands=tuple(self._filled(line, release) for line in asking.form.commands.packages),
            image_commands=tuple(self._filled(line, release) for line in asking.form.commands.image)
            if asking.image is not None
            else (),
            proof=self._filled(asking.form.commands.proof, release),
        )

    def _packages_edits(self, version_text: str, config: NewConfig) -> Iterator[Edit]:
        asking, files = self.asking, self.asking.form.packages
        where = str(asking.packages / files.versions)
        sums = versions.checksums(asking.tarball)
        yield Edit(
            asking.packages,
            files.versions,
            versions.with_kernel(version_text, where, asking.version, sums),
            f"linux {asking.version}, SHA256 {sums.sha256[:16]}…, SHA512 {sums.sha512[:16]}…",
        )
        yield Edit(
            asking.packages,
            files.config,
            config.text,
            f"{len(config.changes)} options differ, {len(config.kept)} that the compiler decides are kept",
        )

    def _dropped(self, tried: tuple[patching.Tried, ...]) -> Iterator[Edit]:
        for patch in tried:
            if self.asking.drop_present and patch.fit is patching.Fit.PRESENT:
                yield Edit(self.asking.packages, patch.name, None, "deleted: the kernel has it already")

    def _modules(self, folder: Path, config: NewConfig) -> tuple[tuple[ModuleChange, ...], tuple[Edit, ...]]:
        asking = self.asking
        if asking.image is None:
            return (), ()
        name = asking.form.image.modules
        text = versions.read_text(asking.image, name, asking.form.what)
        built = kbuild.built_by(folder, config.values, self.place, self.progress)
        modular = {option for option, value in config.values.items() if value == "m"}
        wanted: frozenset[str] = frozenset()
        if any(config.unasked.get(option) != "m" for option in modular):
            unasked = kbuild.built_by(folder, config.unasked, self.place, self.progress)
            wanted = built.modules - unasked.modules
        new_text, changes = fitted(text, built, wanted)
        edit = Edit(asking.image, name, new_text, f"{len(changes)} lines differ")
        return changes, (edit,) if changes else ()

    def _image_edits(self, release: str) -> Iterator[Edit]:
        asking, files = self.asking, self.asking.form.image
        if asking.image is None:
            return
        text = versions.read_text(asking.image, files.release, asking.form.what)
        yield Edit(
            asking.image,
            files.release,
            versions.with_release(text, str(asking.image / files.release), release),
            f"DefaultKernelVersion {release}",
        )
        text = versions.read_text(asking.image, files.makefile, asking.form.what)
        image = f"{asking.registry}/{asking.username}/kernel:{asking.tag}"
        changed, name = versions.with_package(
            text, str(asking.image / files.makefile), (files.package, files.packages), image, asking.tag
        )
        yield Edit(asking.image, files.makefile, changed, f"{name} = {image}")

    def _hardening(self, config: NewConfig, version_text: str) -> hardening.Hardening:
        files = self.asking.form.packages
        checker = hardening.find_checker(self.asking.checker)
        with temporary_folder() as temporary:
            path = temporary / "config"
            path.write_text(config.text, encoding="utf-8")
            answer = hardening.check(
                path, checker, self.asking.packages / files.hardening_filter, self.asking.form.architecture
            )
        commit = versions.variable(version_text, files.hardening_reference)
        if answer.unknown is not None and checker is None and commit is not None:
            return evolve(answer, unknown=f"{answer.unknown}, {commit[:12]}")
        return answer

    def _filled(self, line: str, release: str) -> str:
        asking = self.asking
        return line.format(
            registry=asking.registry,
            username=asking.username,
            tag=asking.tag,
            release=release,
            packages_checkout=asking.packages,
            image_checkout=asking.image or "TALOS",
        )


def _whole(version: str) -> str:
    """6.19 as a tree's Makefile has it: 6.19.0."""
    numbers, dash, rest = version.partition("-")
    return f"{numbers}{'.0' if numbers.count('.') == 1 else ''}{dash}{rest}"
