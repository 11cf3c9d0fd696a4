"""Git repositories with histories, made by git itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import define

from bootwright.foundation import tools

_WHO = ("-c", "user.name=Ada Example", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")


def numbered(count: int, word: str = "line", changes: Mapping[int, str] | None = None) -> str:
    """A text of so many lines, some replaced (from 1; an empty text takes the line away)."""
    lines = [(changes or {}).get(number, f"{word} {number}") for number in range(1, count + 1)]
    return "".join(f"{line}\n" for line in lines if line)


@define
class History:
    """A repository under construction."""

    folder: Path
    _clock: int = 1_700_000_000

    @classmethod
    def start(cls, folder: Path, files: Mapping[str, str | bytes]) -> History:
        folder.mkdir(parents=True)
        history = cls(folder)
        history.git("init", "-q")
        history.commit("base", files)
        history.git("tag", "base")
        return history

    def git(self, *arguments: str, text: str | None = None) -> str:
        self._clock += 60
        stamp = f"{self._clock} +0000"
        return tools.run(
            ["git", "-C", self.folder, *_WHO, *arguments],
            input_bytes=None if text is None else text.encode(),
            env={"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, "GIT_CONFIG_GLOBAL": "/dev/null"},
        ).decode()

    def commit(self, message: str, files: Mapping[str, str | bytes | None]) -> str:
        """Write files (None removes one) and commit them; the commit's name."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-F", "-", text=message)
        return self.git("rev-parse", "HEAD").strip()

    def checkout(self, reference: str, *, new: str | None = None) -> None:
        self.git("checkout", "-q", *(("-b", new) if new else ()), reference)
