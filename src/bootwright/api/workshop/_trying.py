"""What searches over kernels share: the order of a build, the folder of the run, boots for a goal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from bootwright.foundation.progress import Progress
    from bootwright.kernels.model import Kernel
    from bootwright.kernels.store import Store as KernelStore
    from bootwright.workshop.building.model import Order
    from bootwright.workshop.trees.series import Patch
    from bootwright.workshop.trials.trials import Trials


@frozen
class Attempt:
    """Everything that a search over kernels of one source needs."""

    order: Order
    patches: tuple[Patch, ...]
    trials: Trials
    store: KernelStore
    progress: Progress

    def build(self, patches: tuple[Patch, ...]) -> Kernel:
        """The source with these patches as a kernel; raises `Unbuildable`."""
        from bootwright.foundation.errors import Refused, ToolFailed
        from bootwright.workshop.building.build import build
        from bootwright.workshop.trials.trials import Unbuildable

        try:
            return build(evolve(self.order, patches=patches), self.store, self.progress).kernel
        except Refused as error:
            raise Unbuildable(error.message) from error
        except ToolFailed as error:
            raise Unbuildable(error.message, error.output.encode()) from error


@contextmanager
def trying(
    source: str | Path,
    goal: str,
    out: Path,
    about: Mapping[str, str],
    *,
    patches: str | Path | Sequence[str | Path],
    page_size: str,
    fragments: str | Path | Sequence[str | Path],
    presets: str | Sequence[str],
    toolchain: str,
    jobs: int | None,
    machine: str,
    noise: str | float,
    timeout: float | None,
    archive: str | None,
    offline: bool,
    fresh: bool,
    progress: Progress,
) -> Iterator[Attempt]:
    """Check everything that is asked for, take the source, and hold the run's folder.

    Raises what `build_kernel` raises before it compiles, and `Refused` for a goal that there is not and a
    folder that is about something else.
    """
    from bootwright.api.workshop.building import order_of
    from bootwright.foundation.errors import Refused
    from bootwright.foundation.run_folder import Store
    from bootwright.kernels.catalogue import open_library
    from bootwright.kernels.store import ADDED
    from bootwright.lab.machines.machine import MACHINES
    from bootwright.lab.probes.boot import TIMEOUT
    from bootwright.workshop.trials.boots import Boots
    from bootwright.workshop.trials.goal import parse_goal
    from bootwright.workshop.trials.noise import parse_noise
    from bootwright.workshop.trials.trials import Trials, begin, digest

    wanted = parse_goal(goal)
    share = parse_noise(str(noise))
    MACHINES.get(machine)
    name = f"trial-{digest(str(out.resolve()))[:12]}"
    order = order_of(
        source,
        page_size=page_size,
        fragments=fragments,
        patches=patches,
        presets=presets,
        # Every build takes the place of the one before: only the run's folder keeps what came of it.
        name=name,
        toolchain=toolchain,
        devicetrees=False,
        jobs=jobs,
        archive=archive,
        offline=offline,
        progress=progress,
    )
    series = order.patches or ()
    identity = {
        **about,
        "base": order.tree.identity,
        "series": digest(*(patch.digest for patch in series)),
        "goal": goal,
        "machine": machine,
        "pages": page_size,
        "toolchain": toolchain,
        "configuration": digest(
            *(preset.name for preset in order.presets),
            *(str(sorted(f.options.items())) for f in order.fragments),
        ),
    }
    library = open_library(archive=archive, offline=offline, progress=progress)
    with Store(out, fresh=fresh) as store:
        begin(store, identity)
        boots = Boots(wanted, machine, TIMEOUT if timeout is None else timeout)
        try:
            yield Attempt(order, series, Trials(store, boots, share, progress), library.store, progress)
        finally:
            with suppress(Refused):  # where none was built
                library.remove(f"{ADDED}-{name}")
