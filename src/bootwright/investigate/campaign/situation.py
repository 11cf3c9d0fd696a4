"""What a campaign is assessed by, and what images are made with."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bootwright.investigate.campaign.steps import StepResult
from bootwright.investigate.campaign.told import Told
from bootwright.investigate.decision.decide import Decision
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Candidate
from bootwright.investigate.running.investigation import Investigation


@frozen
class Situation:
    """Everything that is known at one moment."""

    plan: Plan
    investigation: Investigation
    decision: Decision
    told: tuple[Told, ...]
    results: Mapping[str, StepResult]
    """Step, as the plan has it → how it ended."""


@frozen
class Means:
    """What images of cells can be made with."""

    kernels: tuple[Candidate, ...] = ()
    image: str = ""
    """The image that they are made from; empty where the user gave none."""
    run: str = ""
    """The run's folder, where it is not the one that a plan's run has by itself."""
