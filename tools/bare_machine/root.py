"""A bare Debian root: made, entered by processes that end with this one, removed."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bare_machine import host
from bare_machine.host import Unfit

_PACKAGES = ("git", "make", "python3", "ca-certificates")
"""What README.md asks for. Everything else has to be installed by the project."""
_ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
"""Debian's defaults (/etc/profile): an ordinary user does not see /usr/sbin."""
USER = "tester"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

# Runs in a mount and process namespace of its own: whatever is mounted here is gone with its last process.
_ENTER = r"""
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || mount --rbind -o ro /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for name in @DEVICES@; do : >"$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
while [ "$1" != -- ]; do mount --bind -o ro "$1" "$root$1"; shift; done; shift
exec chroot "$root" "$@"
""".replace("@DEVICES@", " ".join(_DEVICES))


def check_host() -> None:
    """Raises `Unfit` with one line where this machine cannot make and enter a bare system."""
    if os.geteuid():
        raise Unfit("making and entering a root needs root: sudo tools/bare-machine …")
    for program, package in (("unshare", "util-linux"), ("setpriv", "util-linux"), ("git", "git")):
        if not shutil.which(program):
            raise Unfit(f"{program} is needed: apt-get install {package}")
    if not (shutil.which("mmdebstrap") or shutil.which("debootstrap")):
        raise Unfit("mmdebstrap or debootstrap is needed: apt-get install mmdebstrap")


# Everything inside ends with this process, however it ends, and its mounts go with it.
_NAMESPACES = (
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--pid",
    "--ipc",
    "--fork",
    "--kill-child",
)


class Root:
    """A bare system in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: subprocess.Popen[bytes] | None = None

    def make(self, suite: str, log: IO[bytes]) -> None:
        """Install the smallest system with `_PACKAGES`; raises `Unfit`."""
        lines, settings = host.archive_lines(suite), host.apt_settings()
        self.folder.mkdir()
        settings_file = self.folder.parent / "apt.conf"
        settings_file.write_text(settings)
        if shutil.which("mmdebstrap"):
            command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
            # An option that is empty would be read as a file's name.
            command += [f"--aptopt={settings_file}"] if settings else []
            self._must(
                [*_NAMESPACES, "--mount-proc", *command, suite, str(self.folder), *lines],
                log,
                f"{suite} was not made",
            )
        else:
            address = next(line.split()[1] for line in lines if line.split()[2] == suite)
            command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
            self._must(
                [*_NAMESPACES, "--mount-proc", *command, suite, str(self.folder), address],
                log,
                f"{suite} was not made",
            )
            (self.folder / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in lines))
            (self.folder / "etc/apt/apt.conf.d/90host").write_text(settings)
        self._configure(log)

    def copy(self, other: Root, log: IO[bytes]) -> None:
        """Become a copy of a root that was made and is not entered."""
        self._must(
            ["cp", "-a", "--reflink=auto", str(other.folder), str(self.folder)],
            log,
            "the root was not copied",
        )

    def _configure(self, log: IO[bytes]) -> None:
        for name in ("etc/resolv.conf", "etc/hosts"):
            if Path("/", name).exists():
                shutil.copyfile(Path("/", name), self.folder / name)
        authorities = self.folder / "usr/local/share/ca-certificates"
        authorities.mkdir(parents=True, exist_ok=True)
        for path in host.certificates():
            shutil.copyfile(path, authorities / path.name)
        with (self.folder / "etc/pip.conf").open("w", encoding="utf-8") as file:
            host.pip_settings().write(file)
        (self.folder / "etc/npmrc").write_text(host.npm_settings(), encoding="utf-8")
        for path in host.local_paths(host.pip_settings()):
            place = self._inside(path)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.mkdir() if path.is_dir() else place.touch()
        setup = f"update-ca-certificates && useradd --create-home --shell /bin/bash {USER}"
        if self.enter(["sh", "-c", setup], log):
            raise Unfit(f"{self.folder} was made and not set up: see {log.name}")

    def enter(
        self, command: Sequence[str], log: IO[bytes] | None, *, user: str = "root", limit: float | None = None
    ) -> int:
        """Run a command inside as `user`, in their home, with a new environment; its exit status.

        Its output goes to `log`, or where this process's goes. After `limit` seconds it is ended: 124.
        All its processes end with it, and with this process.
        """
        places = [path for path in host.local_paths(host.pip_settings()) if self._awaits(path)]
        home = "/root" if user == "root" else f"/home/{user}"
        path = _ROOT_PATH if user == "root" else _USER_PATH
        clean = ["env", "-i", f"HOME={home}", f"USER={user}", f"PATH={path}", "LANG=C.UTF-8", "TERM=dumb"]
        within = 'cd "$HOME" && exec "$@"'
        if user != "root":
            within = f'cd "$HOME" && exec /usr/bin/setpriv --reuid {user} --regid {user} --init-groups "$@"'
        full = [*_NAMESPACES, "sh", "-c", _ENTER, "enter", str(self.folder), *map(str, places), "--"]
        full += [*clean, "sh", "-c", within, "in", *command]
        self._running = subprocess.Popen(
            full,
            stdin=subprocess.DEVNULL if log else None,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=log is not None,
        )
        try:
            return self._running.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            self.end()

    def end(self) -> None:
        """End what runs inside."""
        if self._running is not None and self._running.poll() is None:
            # unshare passes its death on to the first process of the namespace, and the kernel to all others.
            self._running.send_signal(signal.SIGKILL)
            self._running.wait()
        self._running = None

    def remove(self) -> None:
        """Remove the folder; raises `Unfit`, and leaves it, when something is still mounted below it."""
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        below = [line.split()[4] for line in mounts if Path(line.split()[4]).is_relative_to(self.folder)]
        if below:
            raise Unfit(f"{below[0]} is still mounted: unmount it, then remove {self.folder}")
        for _ in range(5):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(1)  # the last processes inside are being ended
        shutil.rmtree(self.folder)

    def versions(self) -> str:
        """The Python inside, for the record."""
        names = sorted(
            path.name for path in (self.folder / "usr/bin").glob("python3.*") if path.name[8:].isdigit()
        )
        return f"{', '.join(names)} on {platform.machine()}"

    def _inside(self, path: Path) -> Path:
        return self.folder / path.relative_to("/")

    def _awaits(self, path: Path) -> bool:
        """Whether the root has an empty place for this path of the host, and nothing of its own there."""
        place = self._inside(path)
        if path.is_dir():
            return place.is_dir() and not any(place.iterdir())
        return place.is_file() and place.stat().st_size == 0

    def _must(self, command: list[str], log: IO[bytes], failure: str) -> None:
        self._running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        status = self._running.wait()
        self._running = None
        if status:
            raise Unfit(f"{failure}: {Path(command[0]).name} ended with {status}, see {log.name}")
