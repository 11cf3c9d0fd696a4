"""Walking a plan: run the cells, run the steps that decision points open, prepare what needs a board.

Each turn begins with what people have told by then; it ends when nothing is left that can be run here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve, frozen

from bootwright.foundation.progress import Progress
from bootwright.foundation.run_folder import Store
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.campaign.assess import Assessor
from bootwright.investigate.campaign.cells import making_words
from bootwright.investigate.campaign.model import Campaign, CellRow, write_status
from bootwright.investigate.campaign.situation import Means
from bootwright.investigate.campaign.steps import Steps, runnable
from bootwright.investigate.campaign.told import observations_of, read_told
from bootwright.investigate.decision.decide import Decision, decide
from bootwright.investigate.plans.given import Given
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Candidate
from bootwright.investigate.running.execute import Executor
from bootwright.investigate.running.investigation import Investigation
from bootwright.investigate.running.loop import Limits, Loop

CARDS = "cards"


@frozen
class Options:
    """What a user asks of a walk."""

    assume_no_board: bool = False
    image: str = ""
    """The image that those for the cells are made from; empty where there is none."""
    repository: str = ""
    plan_from: str = ""
    """The plan's name, or its file."""
    noise: float = 0.0
    """The share of outcomes that lie."""
    cards: int = 2
    """How many images are made, the best cells first."""


@frozen
class Walked:
    """A walked plan."""

    loop: Loop
    investigation: Investigation
    decision: Decision
    campaign: Campaign | None
    """None for a plan without tasks."""


@frozen
class Walker:
    """Walks a plan in the folder of its store. Raises what fetching, booting and reading raise."""

    plan: Plan
    kernels: tuple[Candidate, ...]
    given: tuple[Given, ...]
    store: Store
    executor: Executor
    progress: Progress
    limits: Limits
    options: Options
    on_board: Callable[[Campaign], bool] | None = None
    """Tries one of the cells that wait on a board; whether there was one to try."""
    publish: Callable[[Investigation, Decision], None] | None = None
    """Makes what is known by then readable for the steps that are run, where they read it."""

    def walk(self, seen: Sequence[Observation]) -> Walked:
        """Until nothing is left that can be done; `seen` is what a user's table holds."""
        while True:
            walked = self._settle(seen)
            if walked.campaign is None or self.on_board is None or not self.on_board(walked.campaign):
                return walked

    def _settle(self, seen: Sequence[Observation]) -> Walked:
        """Until nothing is left that can be run here."""
        placeholders = {"IMAGE": self.options.image, "REPOSITORY": self.options.repository}
        have = {name: path for name, path in placeholders.items() if path}
        have["RUN"] = str(self.store.folder)
        steps = Steps(self.store, have, self.progress)
        usual = Path("out") / Path(self.options.plan_from or self.plan.name).stem
        run = "" if self.store.folder == usual else str(self.store.folder)
        means = Means(self.kernels, self.options.image, run)
        assessor = Assessor(
            self.plan,
            steps,
            means,
            assume_no_board=self.options.assume_no_board,
            plan_from=self.options.plan_from,
        )
        while True:
            answers = read_told(self.store.folder)
            observations = [*seen, *observations_of(answers)]
            loop = Loop(self.plan, observations, self.kernels, self.given, noise=self.options.noise)
            investigation = loop.perform(self.executor, self.progress, self.limits)
            decision = decide(investigation)
            if not self.plan.task:
                return Walked(loop, investigation, decision, None)
            assessed = assessor.assess(investigation, decision, answers)
            write_status(self.store.folder, assessed.campaign)
            if self.publish is not None and assessed.open_tasks:
                self.publish(investigation, decision)
            for task in assessed.open_tasks[:1]:
                self.progress.note(f"task {task.id}: {task.title}")
                for step in runnable(steps, task):
                    steps.run(step)
            if not assessed.open_tasks and len(read_told(self.store.folder)) == len(answers):
                break
        campaign = self._with_cards(assessed.campaign, steps, means)
        write_status(self.store.folder, campaign)
        return Walked(loop, investigation, decision, campaign)

    def _with_cards(self, campaign: Campaign, steps: Steps, means: Means) -> Campaign:
        """The best cells with their images made, where there is an image to make them from.

        `prepare` verifies and checks what it writes before that has its name; what it refuses is said.
        """
        if not means.image:
            return campaign
        left = self.options.cards
        made: list[CellRow] = []
        for cell in campaign.cells:
            values = {name: (level,) for name, level in cell.factors.items()}
            card = self.store.folder / CARDS / f"{cell.name}.raw"
            given = {name: cell.factors[name] for name in self.plan.given if name in cell.factors}
            words = making_words(self.plan, values, given, means, card)
            if not words or left <= 0:
                made.append(cell)
                continue
            left -= 1
            made.append(self._with_card(cell, card, words[1:], steps))
        return evolve(campaign, cells=made)

    def _with_card(self, cell: CellRow, card: Path, words: Sequence[str], steps: Steps) -> CellRow:
        image: Path | str = card
        if not card.exists():
            card.parent.mkdir(parents=True, exist_ok=True)
            result = steps.run_words(words)
            if result.status == 0 and not card.exists() and _is_as_it_is(card, self.options.image):
                image = self.options.image
            elif result.status != 0 or not card.exists():
                reason = _reason(result.output)
                self.progress.note(f"{cell.name}: no image: {reason}")
                making = shlex.join(["bootwright", *words[:1]])
                left = [command for command in cell.commands if not command.startswith(f"{making} ")]
                return evolve(cell, lacks=f"it was not made: {reason[:300]}", commands=left)
        observe = [command for command in cell.commands if " observe " in command]
        flash = shlex.join(["bootwright", "flash", str(image), "DEVICE"])
        return evolve(cell, image=str(image), lacks="", commands=[flash, *observe])


def _is_as_it_is(card: Path, image: str) -> bool:
    """Whether `prepare` found that the image that was given needs no change for a cell.

    It then keeps the record of that image under the new one's name.
    """
    record = card.with_name(f"{card.name}.prepared.json")
    try:
        document = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("image") == image


def _reason(output: str) -> str:
    """Why a command made no image, in what it printed: its error, or the verdict that it came to."""
    lines = output.splitlines()
    errors = [line for line in lines if line.startswith("bootwright:")]
    verdicts = [line for line in lines if line.startswith(tuple(Verdict))]
    return (errors[-1:] or verdicts[:1] or ["no reason was given"])[0]
