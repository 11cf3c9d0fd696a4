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
    "images/test_round_trip.py": 55,
    "predict/test_broken_truth.py": 50,
    "prepare/test_prepare.py": 40,
    "isolate/test_isolate_images.py": 30,
    "predict/test_all_devicetrees.py": 30,
    "predict/test_roles.py": 30,
    "bench/test_bench_run.py": 25,
    "bootchain/test_real_loaders.py": 25,
    "investigate/test_investigate_command.py": 25,
    "prepare/test_printed_commands.py": 40,
    "lab/test_boots.py": 25,
    "lab/test_broken_truth.py": 25,
    "lab/test_snapshots.py": 25,
    "report/test_check_text.py": 25,
    "bench/test_places.py": 20,
    "images/test_compose.py": 20,
    "kernels/test_real_kernels.py": 20,
    "lab/test_probe_export.py": 20,
    "site/test_check_tab.py": 20,
    "site/test_page_in_a_browser.py": 20,
    "bench/test_on_bench.py": 15,
    "bootchain/test_commands_agree.py": 15,
    "evidence/test_change.py": 15,
    "lab/test_cluster.py": 15,
    "predict/test_elsewhere.py": 15,
    "predict/test_facts_file.py": 15,
    "predict/test_modules_gate.py": 15,
    "diagnose/test_talos.py": 10,
    "formats/test_compressed.py": 10,
    "image_boot/test_image_boot.py": 10,
    "images/test_flash.py": 10,
    "images/test_swap.py": 10,
    "investigate/test_campaign.py": 10,
    "isolate/test_isolate_boots.py": 10,
    "kernels/test_sources.py": 10,
    "predict/test_recorded_truth.py": 10,
}
"""Of files that take long, about how many seconds alone, with an empty cache. Only their order matters."""


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
