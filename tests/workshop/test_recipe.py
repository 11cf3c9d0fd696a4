"""A distribution's checkouts made ready for another kernel, on small ones of the same form."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import packages_kit
import pytest
from command_kit import in_process
from kernel_tree_kit import kernel_tree
from packages_kit import checker, image_checkout, packages_checkout, packed

from bootwright import api
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.verdict import Verdict
from bootwright.workshop.recipe.kbuild import Built
from bootwright.workshop.recipe.model import Recipe
from bootwright.workshop.recipe.module_list import fitted
from bootwright.workshop.recipe.patching import Fit

SCHEMA = Path(__file__).parents[2] / "docs/schemas/kernel-recipe.schema.json"
NEEDED = ("make", "flex", "bison", "bc", "aarch64-linux-gnu-gcc", "patch")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)), reason=f"{', '.join(NEEDED)} carry a configuration over"
)
MACB = "CONFIG_MACB=m\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    return packed(kernel_tree(tmp_path / "tree"), tmp_path / "linux-6.12.1.tar.xz")


def recipe(tmp_path: Path, tarball: Path | None, fragment: str = MACB, **options: object) -> Recipe:
    path = tmp_path / "mine.config"
    path.write_text(fragment)
    packages = tmp_path / "pkgs"
    given = {"kernel": "6.12.1", "fragments": path, "tarball": tarball, "offline": True, **options}
    return api.kernel_recipe("siderolabs-pkgs", packages, **given)  # type: ignore[arg-type]


def test_both_checkouts_are_made_ready(tmp_path: Path, tarball: Path) -> None:
    packages = packages_checkout(tmp_path / "pkgs")
    talos = image_checkout(tmp_path / "talos")
    made = recipe(
        tmp_path, tarball, talos=talos, hardening_checker=checker(tmp_path / "khc"), username="me", tag="t1"
    )
    assert made.verdict is Verdict.WORKS
    assert made.written
    data = tarball.read_bytes()
    before, after = packages_kit.PKGFILE.splitlines(), (packages / "Pkgfile").read_text().splitlines()
    assert [line.strip() for old, line in zip(before, after, strict=True) if old != line] == [
        "linux_version: 6.12.1",
        f"linux_sha256: {hashlib.sha256(data).hexdigest()}",
        f"linux_sha512: {hashlib.sha512(data).hexdigest()}",
    ]
    config = (packages / "kernel/build/config-arm64").read_text().splitlines()
    assert {"CONFIG_ARM64_4K_PAGES=y", "CONFIG_MACB=m", "CONFIG_NR_CPUS=64"} <= set(config)
    # What the compiler of the build decides stays, though this machine's says otherwise.
    assert {"CONFIG_LD_HAS_WINGS=y", "CONFIG_WINGS=y"} <= set(config)
    assert made.kept_options == ("FLY_WINGS", "LD_HAS_WINGS", "WINGS")
    assert "CONFIG_FLY_NOT=y" not in config
    assert not any("OLDER" in line for line in config)
    assert (talos / "hack/modules-arm64.txt").read_text().splitlines() == [
        "kernel/drivers/net/macb.ko",
        "kernel/drivers/net/phy.ko",
        "modules.builtin",
        "modules.order",
    ]
    constants = packages_kit.CONSTANTS.replace(
        'DefaultKernelVersion = "6.11.9-talos"', 'DefaultKernelVersion = "6.12.1-talos"'
    )
    assert (talos / "pkg/machinery/constants/constants.go").read_text() == constants
    assert "PKG_KERNEL ?= ghcr.io/me/kernel:t1\n" in (talos / "Makefile").read_text()
    assert "PKGS ?= v1.12.0-103-gf921142\n" in (talos / "Makefile").read_text()
    assert "TAG=t1 PUSH=true" in made.packages_commands[1]
    assert f"--expect kernel={packages}/_out/kernel/boot/vmlinuz" in made.proof
    again = recipe(tmp_path, tarball, talos=talos)
    assert not again.modules
    assert not [change for change in again.options if change.before is not None]


def test_what_changed_is_told(tmp_path: Path, tarball: Path) -> None:
    packages_checkout(tmp_path / "pkgs")
    made = recipe(tmp_path, tarball, talos=image_checkout(tmp_path / "talos"))
    changes = {change.name: change for change in made.options}
    assert changes["OLDER"].because == "this kernel has no such option"
    assert (changes["MACB"].before, changes["MACB"].after) == ("n", "m")
    assert changes["MACB"].because.endswith("mine.config: line 1")
    assert changes["ARM64_16K_PAGES"].after == "n"
    assert {(module.before, module.because) for module in made.modules} == {
        ("kernel/drivers/net/older.ko", "it is not built"),
        ("kernel/drivers/phy/phy.ko", "it has moved"),
        ("kernel/fs/namespace.ko", "it is built in"),
        (None, "the fragments ask for it"),
    }
    assert made.verdict is Verdict.UNKNOWN
    assert "0123456789ab" in (made.hardening.unknown or "")


FITS = packages_kit.FITS
PRESENT = FITS.replace("return -1", "return -22").replace("-\t\treturn -22", "-\t\treturn -5")

PHY = """\
--- a/drivers/net/phy.c
+++ b/drivers/net/phy.c
@@ -2 +2 @@
-int phy_probe(void) { return 9; }
+int phy_probe(void) { return 8; }
"""


@pytest.mark.parametrize(
    ("patch", "fit", "detail"),
    [
        (FITS, Fit.APPLIES, ""),
        (FITS.replace("int attached", "long x"), Fit.FUZZ, "fuzz"),
        (FITS.replace("-\t\treturn -22", "-\t\treturn -3"), Fit.FAILS, "fs/namespace.c:1"),
        (PRESENT, Fit.PRESENT, ""),
        (PRESENT + PHY, Fit.FAILS, "fs/namespace.c: part of it is there already"),
        ("no patch\n", Fit.FAILS, "a patch that git can read"),
        (FITS.replace("fs/namespace.c", "fs/gone.c"), Fit.FAILS, "not there"),
        (FITS.replace("/fs/namespace.c", "/../escaped.c"), Fit.FAILS, "inside the source"),
    ],
)
def test_each_patch_is_tried(tmp_path: Path, tarball: Path, patch: str, fit: Fit, detail: str) -> None:
    packages = packages_checkout(tmp_path / "pkgs", **{"kernel/build/patches/0001-fits.patch": patch})
    made = recipe(tmp_path, tarball)
    assert [(tried.name, tried.fit) for tried in made.patches] == [
        ("kernel/build/patches/0001-fits.patch", fit)
    ]
    assert detail in made.patches[0].detail
    assert made.written == (fit in {Fit.APPLIES, Fit.FUZZ})
    assert ("6.12.1" in (packages / "Pkgfile").read_text()) == made.written


def test_a_patch_that_the_kernel_has_can_go(tmp_path: Path, tarball: Path) -> None:
    packages = packages_checkout(tmp_path / "pkgs", **{"kernel/build/patches/0000-present.patch": PRESENT})
    assert recipe(tmp_path, tarball).verdict is Verdict.FAILS
    assert recipe(tmp_path, tarball, drop_present=True).written
    left = [path.name for path in (packages / "kernel/build/patches").iterdir()]
    assert left == ["0001-fits.patch"]


def test_hardening_complaints_stop_it(tmp_path: Path, tarball: Path) -> None:
    config = packages_kit.CONFIG.replace("CONFIG_WINGS=y", "# CONFIG_WINGS is not set")
    packages = packages_checkout(tmp_path / "pkgs", **{"kernel/build/config-arm64": config})
    made = recipe(tmp_path, tarball, hardening_checker=checker(tmp_path / "khc"))
    assert made.hardening.complaints == ("CONFIG_WINGS should be y (kspp, self_protection)",)
    assert (made.verdict, made.written) == (Verdict.FAILS, False)
    assert recipe(tmp_path, tarball, hardening_checker=tmp_path / "khc", force=True).written
    assert "6.12.1" in (packages / "Pkgfile").read_text()


def test_a_patch_may_change_kconfig(tmp_path: Path, tarball: Path) -> None:
    patch = (
        "--- a/drivers/Kconfig\n+++ b/drivers/Kconfig\n@@ -1,2 +1,5 @@\n"
        '+config NEWER\n+\tbool "Newer"\n+\n config MODULES\n \tbool "Modules"\n'
    )
    packages_checkout(tmp_path / "pkgs", **{"kernel/build/patches/0002-kconfig.patch": patch})
    made = recipe(tmp_path, tarball, fragment="CONFIG_NEWER=y\n")
    assert "CONFIG_NEWER=y\n" in next(edit.text or "" for edit in made.edits if "config" in edit.path)


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"Pkgfile": None}, Missing),
            ({"Pkgfile": "vars:\n  linux_version: 6.1\n"}, Malformed),
            ({"Pkgfile": packages_kit.PKGFILE + "  linux_sha256: again\n"}, Malformed),
            ({"kernel/build/config-arm64": None}, Missing),
            ({"kernel/build/config-arm64": "colour=green\n"}, Malformed),
        ],
    )
    def test_another_form(
        self, tmp_path: Path, changes: dict[str, str | None], expected: type[Exception]
    ) -> None:
        packages_checkout(tmp_path / "pkgs", **changes)
        with pytest.raises(expected) as caught:
            recipe(tmp_path, None)
        assert "fetched" not in str(caught.value)  # no tarball is asked for before

    @pytest.mark.parametrize(
        "changes",
        [
            {"hack/modules-arm64.txt": None},
            {"pkg/machinery/constants/constants.go": "package constants\n"},
            {"Makefile": "all:\n"},
        ],
    )
    def test_another_image(self, tmp_path: Path, changes: dict[str, str | None]) -> None:
        packages = packages_checkout(tmp_path / "pkgs")
        with pytest.raises((Missing, Malformed)) as caught:
            recipe(tmp_path, None, talos=image_checkout(tmp_path / "talos", **changes))
        assert "fetched" not in str(caught.value)
        assert (packages / "Pkgfile").read_text() == packages_kit.PKGFILE

    def test_the_tarball(self, tmp_path: Path, tarball: Path) -> None:
        packages_checkout(tmp_path / "pkgs")
        with pytest.raises(Refused, match=r"is Linux 6.12.1, and --kernel says 6.12.2"):
            recipe(tmp_path, tarball, kernel="6.12.2")
        with pytest.raises(Missing, match=r"v6.x/linux-6.12.1.tar.xz, which would have to be fetched"):
            recipe(tmp_path, None)
        with pytest.raises(Refused, match="no version"):
            recipe(tmp_path, tarball, kernel="6.12.x")
        with pytest.raises(Missing, match="there is no folder"):
            recipe(tmp_path, tarball, talos=tmp_path / "nowhere")
        with pytest.raises(Missing, match=r"there is no .*/nowhere"):
            recipe(tmp_path, None, hardening_checker=tmp_path / "nowhere")

    def test_an_option_that_does_not_stick(self, tmp_path: Path, tarball: Path) -> None:
        packages = packages_checkout(tmp_path / "pkgs")
        with pytest.raises(Refused, match=r"CONFIG_MDIO=n .* selects it"):
            recipe(tmp_path, tarball, fragment="# CONFIG_MDIO is not set\n")
        assert (packages / "Pkgfile").read_text() == packages_kit.PKGFILE


def test_lines_that_name_no_module_stay() -> None:
    built = Built(frozenset({"kernel/a/x.ko", "kernel/b/x.ko"}), frozenset())
    text = "# words\nkernel/c/x.ko\n\nmodules.order\n"
    changed, changes = fitted(text, built, ())
    assert changed == "# words\n\nmodules.order\n"
    assert [change.because for change in changes] == ["it is not built"]


def test_what_has_moved_goes_where_its_order_puts_it() -> None:
    """As in Linux 7.3, where crypto/xor.ko became lib/raid/xor/xor.ko."""
    text = "kernel/crypto/xor.ko\nkernel/drivers/net/macb.ko\nkernel/lib/parman.ko\nmodules.order\n"
    modules = {"kernel/lib/raid/xor/xor.ko", "kernel/drivers/net/macb.ko", "kernel/lib/parman.ko"}
    changed, _ = fitted(text, Built(frozenset(modules), frozenset()), ["kernel/arch/first.ko"])
    assert changed.splitlines() == [
        "kernel/arch/first.ko",
        "kernel/drivers/net/macb.ko",
        "kernel/lib/parman.ko",
        "kernel/lib/raid/xor/xor.ko",
        "modules.order",
    ]


def test_the_command(tmp_path: Path, tarball: Path) -> None:
    packages = packages_checkout(tmp_path / "pkgs")
    command = ["kernel", "recipe", "siderolabs-pkgs", str(packages)]
    command += ["--kernel", "6.12.1", "--tarball", str(tarball), "--offline"]
    done = in_process(*command, "--json", "--dry-run")
    assert done.returncode == 3, done.stderr
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, json.loads(SCHEMA.read_text()))
    assert not printed["written"]
    assert (packages / "Pkgfile").read_text() == packages_kit.PKGFILE
    done = in_process(*command)
    assert "Linux 6.12.1 in place of 6.11.9: 6.12.1-talos" in done.stdout
    assert "applies   kernel/build/patches/0001-fits.patch" in done.stdout
    assert f"written: {packages}/Pkgfile" in done.stdout
