"""Every kind of knowledge there is, by the name of its folder, imported when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from bootwright.foundation.knowledge import Kind

KINDS = {
    "architectures": "bootwright.boards.architecture:ARCHITECTURES",
    "arguments": "bootwright.predict.start.start:ARGUMENTS",
    "boards": "bootwright.boards.model:BOARDS",
    "build-failures": "bootwright.workshop.building.failures:FAILURES",
    "children": "bootwright.predict.probing.children:CHILDREN",
    "changes": "bootwright.investigate.plans.changes:CHANGES",
    "consoles": "bootwright.evidence.board:CONSOLES",
    "demands": "bootwright.predict.probing.calls:DEMANDS",
    "devicetrees": "bootwright.devicetrees.source:SOURCES",
    "drivers": "bootwright.predict.rules.knowledge:DRIVERS",
    "error-kinds": "bootwright.diagnose.judging.errors.error_kinds:ERROR_KIND_FILES",
    "filesystems": "bootwright.lab.probes.filesystems:FILESYSTEMS",
    "firmware": "bootwright.lab.machines.firmware:FIRMWARE",
    "firmware-models": "bootwright.bootchain.firmware_models:FIRMWARE_MODELS",
    "gallery": "bootwright.lab.gallery.scenarios:SCENARIOS",
    "hazards": "bootwright.predict.rules.knowledge:HAZARDS",
    "image-machines": "bootwright.image_boot.machine:BOARD_MACHINES",
    "inits": "bootwright.images.parts.inits:INITS",
    "kernel-presets": "bootwright.workshop.configuring.presets:PRESETS",
    "kernel-recipes": "bootwright.workshop.recipe.form:FORMS",
    "kernel-trees": "bootwright.workshop.trees.packages:TREE_PACKAGES",
    "kernels": "bootwright.kernels.source:SOURCES",
    "kernels/addresses": "bootwright.kernels.source:ADDRESSES",
    "kernels/options": "bootwright.kernels.configuration.options:OPTIONS",
    "kernels/registries": "bootwright.kernels.source:REGISTRIES",
    "lights": "bootwright.boards.lights:LIGHTS",
    "machines": "bootwright.lab.machines.machine:MACHINES",
    "objects": "bootwright.predict.kernel.objects:OBJECTS",
    "parts": "bootwright.kernels.boot_parts:PARTS",
    "plans": "bootwright.investigate.plans.plan_file:PLANS",
    "preparations": "bootwright.prepare.knowledge:PREPARATIONS",
    "recipes": "bootwright.images.recipes.schema:RECIPES",
    "releases": "bootwright.kernels.releases:RELEASES",
    "roles": "bootwright.boards.role:ROLES",
    "signatures": "bootwright.diagnose.signatures.schema:SIGNATURES",
    "print-calls": "bootwright.formats.messages.printers:PRINT_CALLS",
    "boot-needs": "bootwright.diagnose.judging.boot_needs:BOOT_NEEDS",
    "device-names": "bootwright.diagnose.closer.identities:DEVICE_NAMES",
    "device-roles": "bootwright.diagnose.judging.device_roles:DEVICE_ROLES",
    "reports": "bootwright.diagnose.closer.report_forms:REPORTS",
    "stages": "bootwright.diagnose.signatures.schema:STAGE_FILES",
    "secrets": "bootwright.diagnose.secrets:SECRETS",
    "suspicions": "bootwright.evidence.needs:SUSPICIONS",
    "upstreams": "bootwright.upstream.presets:UPSTREAMS",
    "systems": "bootwright.diagnose.debugging:SYSTEMS",
}
"""Folder → module and name of its `Kind`. A test holds that none is missing."""


def kind_of(name: str) -> Kind[Any]:
    """The kind whose folder is called so."""
    module, _, attribute = KINDS[name].partition(":")
    kind: Kind[Any] = getattr(importlib.import_module(module), attribute)
    return kind


def read(name: str, path: Path) -> None:
    """Read one file as its commands do; raises `BootwrightError`. A plan must also make sense as a whole."""
    if name == "plans":
        from bootwright.investigate.plans.plan_file import load_plan

        load_plan(str(path))
    else:
        kind_of(name).load(path)
