"""How tests are shared out: file by file, and of what is left the file that takes longest.

By the number of their tests, as xdist has it, a file of three tests that boot for two minutes comes last,
and all other workers wait for it.
"""

from __future__ import annotations

import os

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

MOST_WORKERS = 4

SECONDS: dict[str, int] = {
    "foundation/test_text.py": 5,
}
"""Of files that take long, about how many seconds alone on an idle machine. Only their order matters."""


def workers() -> int:
    """Two a core: half of a test's time is waiting, for a guest's clock, a server or a disk."""
    return min(MOST_WORKERS, 2 * len(os.sched_getaffinity(0)))


class LongestFirst(LoadFileScheduling):
    """xdist's scheduling by files, which takes the longest file next."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(max(self.workqueue, key=self._length), last=False)
        super()._assign_work_unit(node)

    def _length(self, file: str) -> tuple[int, int]:
        return SECONDS.get(file.removeprefix("tests/"), 0), len(self.workqueue[file])
