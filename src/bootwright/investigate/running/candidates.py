"""The kernels that a plan's experiments may boot, as the catalogue listed them when the run began."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import cattrs

from bootwright.foundation.errors import Refused
from bootwright.foundation.run_folder import Store
from bootwright.foundation.versions import Version
from bootwright.investigate.plans.further import Further
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Candidate
from bootwright.kernels.catalogue import Library, variant_of


def candidates(store: Store, library: Library, plan: Plan, further: Further | None = None) -> list[Candidate]:
    """The kernels the plan's experiments may boot, as listed when the run began, and `further` ones.

    `plan` is as it was written, without what came since. The list is kept with the run, and the run with its
    plan: another plan in the same folder is refused.
    """
    fingerprint = hashlib.sha256(json.dumps(cattrs.unstructure(plan), sort_keys=True).encode()).hexdigest()
    began = store.get("plan")
    if began is not None and began != fingerprint:
        raise _of_another(store, plan)
    stored = store.get("candidates")
    if stored is not None:
        kept = cattrs.structure(json.loads(stored), list[Candidate])
        return _with_further(store, library, plan, kept, further or Further())
    listed = list_candidates(plan, library)
    store.put("plan", fingerprint)
    store.put("plan name", plan.name)
    store.put("candidates", json.dumps(cattrs.unstructure(listed)))
    return listed


def _of_another(store: Store, plan: Plan) -> Refused:
    """Why a folder that holds something else is not gone on with, and what can be done."""
    name = store.get("plan name") or _plan_of_status(store)
    if name == plan.name:
        return Refused(
            f"{store.folder} was begun with another text of the plan {plan.name} (an older bootwright, or a "
            "file that was changed since): its answers may be to other questions, so it is not gone on with",
            hint="start over with --fresh: what was booted here is booted again, what people told stays; or "
            "leave it as it is and choose another folder with --out",
        )
    whose = f"the plan {name}" if name else "another plan"
    return Refused(
        f"{store.folder} holds a run of {whose}, not of {plan.name}",
        hint="choose another folder with --out, or start over with --fresh",
    )


def _plan_of_status(store: Store) -> str:
    """The plan's name by the status beside a run that was begun before the run itself kept it; else empty."""
    try:
        document = json.loads((store.folder / "status.json").read_bytes())
    except (OSError, ValueError):
        return ""
    name = document.get("plan") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""


def _with_further(
    store: Store, library: Library, plan: Plan, kept: list[Candidate], further: Further
) -> list[Candidate]:
    """With kernels that came since and are listed now; what the run began with stays as it was."""
    missing = {kernel.name for kernel in further.kernels} - {kernel.name for kernel in kept}
    if missing:
        kept += [kernel for kernel in list_candidates(plan, library) if kernel.name in missing]
        store.put("candidates", json.dumps(cattrs.unstructure(kept)))
    return kept


def list_candidates(plan: Plan, library: Library) -> list[Candidate]:
    """The kernels of the sources that the plan's experiments name, as the catalogue lists them now.

    Variants (cloud, rt) are left out: they lack what boards need, or differ in more than a level.
    """
    wanted = {experiment.kernels for experiment in plan.experiment if experiment.kernels}
    return [
        Candidate(
            name=listed.name,
            source=listed.source,
            version=str(listed.version),
            page_size=listed.page_size,
            download_bytes=listed.download_bytes,
            modules_bytes=listed.modules_bytes,
            image_size=listed.image_size,
            whole_size=listed.whole_size,
        )
        for listed in library.listed(wanted)
        if listed.source in wanted and variant_of(listed.name) is None
    ]


def resolver(kernels: Sequence[Candidate]) -> Callable[[str], str]:
    """Short catalogue names to full ones, among the candidates: the newest that fits."""

    def resolve(name: str) -> str:
        if any(kernel.name == name for kernel in kernels):
            return name
        source, _, version_text = name.partition("-")
        series, _, pages = version_text.partition("-")
        fits = [
            kernel
            for kernel in kernels
            if kernel.source == source
            and f"{kernel.page_size // 1024}k" == pages
            and (kernel.version == series or kernel.version.startswith(f"{series}."))
        ]
        if not fits:
            raise Refused(f"the catalogue has no kernel {name}", hint="see bootwright kernels list")
        return max(fits, key=lambda kernel: _order(kernel.version)).name

    return resolve


def _order(text: str) -> tuple[object, ...]:
    version = Version.parse(text)
    return version.key if version else ()
