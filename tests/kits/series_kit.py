"""A series of 24 patches for Debian's Linux 6.12: three are needed for a call of Talos, the rest are decoys.

Written against files of the source itself. The first two of the three are one after the other in the same
lines, the third is in another file and needs neither to apply or to compile; without any of the three the
call stays refused, as in 6.12.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

NEEDED = (5, 11, 19)
"""Which of the 24, from 1; the second needs the first."""
GOAL = "mounts:talos-1.12-etc-hosts"
# What the probe of mounts does without: the kernel is built in less than half the time. With EXPERT all that
# nobody asks for is off (terminals, input devices, io_uring, …).
SMALLER = "CONFIG_EXPERT=y\n" + "".join(
    f"# CONFIG_{name} is not set\n"
    for name in ("NET", "UNIX", "BLOCK", "OVERLAY_FS", "RD_ZSTD", "IKCONFIG", "IKCONFIG_PROC")
)

_HELPER = """
/* Whether the caller may have a copy of this mount. */
static bool may_copy(struct mount *mnt)
{
	return check_mnt(mnt);
}
"""
_EDITS: Mapping[int, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    5: (
        "fs: ask in one place whether a mount may be copied",
        "fs/namespace.c",
        (
            ("\treturn mnt->mnt_ns == current->nsproxy->mnt_ns;\n}\n", "\\g" + _HELPER),
            ("if (!check_mnt(old) && old_path->dentry", "if (!may_copy(old) && old_path->dentry"),
        ),
    ),
    11: (
        "fs: detached mounts may be copied",
        "fs/namespace.c",
        (
            (
                "static bool may_copy(struct mount *mnt)\n{\n",
                "\\g#ifdef COPIES_OF_DETACHED\n\tif (mnt->mnt_ns && is_anon_ns(mnt->mnt_ns))\n"
                "\t\treturn true;\n#endif\n",
            ),
        ),
    ),
    19: (
        "fs: copies of detached mounts by default",
        "fs/mount.h",
        (("struct mnt_namespace {", "#define COPIES_OF_DETACHED 1\n\n\\g"),),
    ),
}
_DECOYS = (
    *("fs/statfs.c", "fs/utimes.c", "fs/xattr.c", "fs/splice.c", "fs/readdir.c", "fs/pipe.c", "fs/pnode.c"),
    *("fs/stack.c", "kernel/ksysfs.c", "kernel/reboot.c", "kernel/sys.c", "kernel/resource.c", "mm/util.c"),
    *("mm/mlock.c", "lib/kobject.c", "drivers/base/bus.c", "drivers/base/driver.c", "drivers/base/class.c"),
    # Twice the same file: a pair of decoys of which the second needs the first.
    *("init/version.c", "kernel/exit.c", "kernel/exit.c"),
)


def make_series(tree: Path, folder: Path) -> tuple[Path, ...]:
    """Write the 24 patches for the source in `tree` to a folder, as git makes them."""
    work = folder.parent / "series-work"
    work.mkdir(parents=True)
    files = {edit[1] for edit in _EDITS.values()} | set(_DECOYS)
    for name in files:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes((tree / name).read_bytes())
    _git(work, "init", "-q")
    _git(work, "add", "-A")
    _git(work, "commit", "-q", "-m", "base")
    decoys = iter(enumerate(_DECOYS))
    for number in range(1, 25):
        if number in _EDITS:
            subject, name, changes = _EDITS[number]
            text = (work / name).read_text()
            for old, new in changes:
                assert text.count(old) == 1, f"{name}: {old!r} is there {text.count(old)} times"
                text = text.replace(old, new.replace("\\g", old))
        else:
            place, name = next(decoys)
            subject = f"{name}: decoy {place}"
            text = (work / name).read_text()
            text += f"\nstatic int __maybe_unused bootwright_decoy_{place}(void)\n{{\n\treturn {place};\n}}\n"
        (work / name).write_text(text)
        _git(work, "commit", "-q", "-a", "-m", subject)
    _git(work, "format-patch", "-q", "-o", str(folder), "HEAD~24")
    return tuple(sorted(folder.iterdir()))


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)
