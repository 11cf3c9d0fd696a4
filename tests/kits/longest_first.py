"""How tests are shared out: file by file, and of what is left the file that takes longest.

By the number of their tests, as xdist has it, a file of three tests that boot for two minutes comes last,
and all other workers wait for it.
"""

from __future__ import annotations

import os

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

MOST_WORKERS = 4

SECONDS = {
    "prepare/test_prepare.py": 120,
    "images/test_round_trip.py": 110,
    "bootchain/test_real_loaders.py": 80,
    "investigate/test_investigate_command.py": 70,
    "images/test_compose.py": 50,
    "predict/test_elsewhere.py": 45,
    "isolate/test_isolate_images.py": 45,
    "lab/test_boots.py": 45,
    "lab/test_broken_truth.py": 40,
    "images/test_swap.py": 40,
    "bench/test_bench_run.py": 40,
    "bench/test_on_bench.py": 35,
    "investigate/test_campaign.py": 30,
    "images/test_flash.py": 30,
    "lab/test_probe_export.py": 25,
    "lab/test_snapshots.py": 25,
    "evidence/test_evidence.py": 25,
    "bench/test_places.py": 25,
    "predict/test_broken_truth.py": 20,
    "report/test_hostile_text.py": 20,
    "api/test_pytest_plugin.py": 20,
    "lab/test_cluster.py": 20,
    "api/test_api.py": 15,
    "predict/test_modules_gate.py": 15,
    "workshop/test_build.py": 15,
    "predict/test_facts_file.py": 15,
    "predict/test_start.py": 15,
    "isolate/test_isolate_boots.py": 15,
    "workshop/test_bisect.py": 15,
    "workshop/test_searches_booted.py": 10,
    "predict/test_real_devicetrees.py": 10,
    "images/test_module_gate.py": 10,
    "lab/test_trace.py": 10,
    "workshop/test_recipe.py": 10,
    "lab/test_truth.py": 10,
    "workshop/test_minimise.py": 10,
    "isolate/test_isolate_uki.py": 10,
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
