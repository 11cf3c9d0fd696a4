"""The patch of docs/talos.md: it adds one file, with the calls that the probe's step makes."""

import subprocess
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
ADDED = "internal/app/machined/pkg/runtime/v1alpha2/hidden_roots.go"


def test_the_patch_applies_and_is_what_the_text_calls(tmp_path: Path) -> None:
    patch = DOCS / "patches/talos-hidden-roots.patch"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "apply", patch], check=True)
    (added,) = tmp_path.rglob("*.go")
    assert added == tmp_path / ADDED
    text = added.read_text()
    assert "func hideWhereDetachedCannotBeCloned(roots ...xfs.Root) error" in text
    assert "hideWhereDetachedCannotBeCloned(etcRoot, networkEtcRoot)" in (DOCS / "talos.md").read_text()


def test_the_patch_for_1_14_applies_and_is_what_the_text_calls(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "apply", DOCS / "patches/talos-hidden-layers.patch"], check=True)
    added = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.go")}
    assert sorted(added) == [ADDED, "internal/pkg/mount/v3/hidden.go"]
    text = (DOCS / "talos.md").read_text()
    for called, defined in (
        ("mountv3.NewWritableOverlay(etcPath, ", "func NewWritableOverlay(\n\tlowerPath string, "),
        ("mountv3.Hide(hwdbRoot)", "func Hide(roots ...xfs.Root) error"),
        (
            "hideWhereDetachedCannotBeCloned(networkEtcRoot)",
            "func hideWhereDetachedCannotBeCloned(roots ...xfs.Root) error",
        ),
    ):
        assert called in text
        assert any(defined in source for source in added.values())


def test_every_probe_step_of_the_text_exists() -> None:
    text = (DOCS / "talos.md").read_text()
    probes = "".join(path.read_text() for path in (DOCS.parent / "probes").glob("*.c"))
    for step in (
        "talos-1.12-etc-hosts",
        "bind-detached-descriptor",
        "attach-first",
        "attach-hidden",
        "overlay-of-paths",
        "talos-1.14-etc-overlay",
        "overlay-of-attached-descriptors",
        "overlay-of-hidden-paths",
        "talos-1.14-udev-hwdb",
        "hidden-file-by-name",
    ):
        assert f"`{step}`" in text
        assert f'"{step}"' in probes
