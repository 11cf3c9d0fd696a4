"""The loop: read the reports, choose a cell, run it, look again, until nothing more can be learnt here.

The path depends only on the plan, the reports, the kernels the catalogue listed when the run began, and
what the boots showed; not on the clock, the cache or the order in which boots end. That is what lets a
killed investigation go on: it walks the same path and finds each boot recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

from attrs import evolve, frozen

from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.verdict import Verdict
from bootwright.investigate.analysis.causes import CauseSpace
from bootwright.investigate.analysis.choose import Beliefs, Choice, Chooser, beliefs_from
from bootwright.investigate.analysis.either import sound
from bootwright.investigate.analysis.factors import Factor, make_factor
from bootwright.investigate.analysis.judge import claim_mask, counted
from bootwright.investigate.analysis.noise import NoisyBeliefs, doubt
from bootwright.investigate.analysis.observations import Observation
from bootwright.investigate.plans.given import Given, given_values
from bootwright.investigate.plans.plan import Plan
from bootwright.investigate.plans.runs import Candidate, Run, at_hand, bench_runs, kernel_runs
from bootwright.investigate.running.candidates import resolver
from bootwright.investigate.running.costs import bytes_more, count_boots, fetched, too_large
from bootwright.investigate.running.execute import Done, Executor, observe, runnable
from bootwright.investigate.running.foretell import foretell, whose_trees
from bootwright.investigate.running.given_first import ANSWER, GivenFirst
from bootwright.investigate.running.investigation import Investigation, Step, look

_MOST_TIMES = 5
"""How often a boot is chosen where outcomes lie: five that agree are wrong once in three million at 5 %."""
_LEAST_BITS = 0.02
"""A run that tells less is not worth its time where outcomes lie: chance alone always tells a little."""
RATE = 10e6
"""Bytes a second that fetching is reckoned at, to weigh a download against a boot."""


@frozen
class Limits:
    """What a run may take."""

    boots: int = 40
    """A plan that needs more is stopped, and says so."""
    download: int = 400_000_000
    """Bytes of kernels, reckoned as if nothing were cached. The first case takes 349 MB (three kernels with
    their modules, 96 to 103 MB each, and the fronts of five); packages grow."""
    repeat: int = 1
    """Boots of each cell."""
    jobs: int = 2
    """Boots side by side."""


LIMITS = Limits()
UNLIMITED = evolve(LIMITS, download=1 << 62)


class Loop:
    """One investigation of a plan."""

    def __init__(
        self,
        plan: Plan,
        extra: Sequence[Observation],
        kernels: Sequence[Candidate],
        given: Sequence[Given] | None = None,
        *,
        noise: float = 0.0,
    ) -> None:
        """`extra` are observations beside the plan's reports; `given` the values to answer for [all].

        `noise` is the share of outcomes that lie: then a boot may be chosen again.
        """
        self.plan = plan
        self.given = tuple(given) if given is not None else given_values(plan)
        self.began: list[Observation] = [*plan.reports(), *extra]
        self.space = CauseSpace(factors_of(plan, self.began, kernels), noise)
        outcomes = {*plan.goals, *plan.sides}
        self.runs, self.notes = runnable(kernel_runs(plan, kernels, resolver(kernels), outcomes.__contains__))
        self.kernels = at_hand(plan, kernels)
        self.bench = bench_runs(plan, self.kernels)
        self._chooser = Chooser(self.space, [run.trial for run in self.runs])
        self._by_id = {run.id: run for run in self.runs}
        self._given_first = GivenFirst(self.space, plan, self.runs, self.given)

    def perform(self, executor: Executor, progress: Progress, limits: Limits = LIMITS) -> Investigation:
        """Choose and run until no run tells anything more; raises what fetching or booting raises."""
        observations = list(self.began)
        steps: list[Step] = []
        numbers = count(1)
        notes = list(self.notes)
        while picked := self.pick(observations, steps, limits):
            if count_boots(steps) + count_boots(picked) > limits.boots:
                notes.append(
                    f"stopped after {count_boots(steps)} boots; {len(picked)} more would still tell something"
                )
                break
            for step in picked:
                self._announce(step, progress)
            before = Counter(step.run.id for step in steps)
            work = [
                (step.run, limits.repeat * before[step.run.id] + number)
                for step in picked
                for number in range(limits.repeat)
            ]
            booted = self._boot_all(work, executor)
            for step in picked:
                done = booted.get(step.run.id, [])
                steps.append(evolve(step, done=tuple(done)))
                if step.run.experiment.source == "predicted":
                    kernel = executor.prepare(step.run)
                    new_observations = [
                        foretell(self.plan, step.run, kernel, lambda: next(numbers), executor.folders)
                    ]
                    notes += [text for text in whose_trees(new_observations, step.run) if text not in notes]
                    self._tell(new_observations, "", progress)
                    observations += new_observations
                for done_run in done:
                    new_observations = observe(self.plan, done_run, lambda: next(numbers))
                    self._tell(
                        new_observations,
                        "" if done_run.fresh else f" (recorded {done_run.recorded_at})",
                        progress,
                    )
                    observations += new_observations
        left_out = dict.fromkeys(self._left_out(observations, steps).values())
        return self.look(observations, steps, [*notes, *left_out], limits)

    def look(
        self,
        observations: Sequence[Observation],
        steps: Iterable[Step] = (),
        notes: Iterable[str] = (),
        limits: Limits = LIMITS,
    ) -> Investigation:
        """What is known at this point, and what could be run next."""
        steps = tuple(steps)
        names = tuple(self.plan.outcome)
        investigation = look(
            self.space,
            self.began,
            observations,
            title=self.plan.title,
            outcomes=names,
            goals=self.plan.goals,
            plan=self.plan,
        )
        open_goals = [name for name in self.plan.goals if not investigation.judgements[name].settled]
        hard = {name: self._hard(observations, name) for name in open_goals}
        wanted = {name: self._hard(observations, name) for name in (*open_goals, *self.plan.sides)}
        # What is to be run fits the budget; what might have been run is told of any.
        offered = tuple(self._offered(observations, steps, wanted, UNLIMITED if steps else limits))
        return evolve(
            investigation,
            steps=steps,
            given=self.given,
            trials=tuple(run.trial for run in self.runs),
            waiting=self._waiting(observations, steps, limits),
            left_out=self._left_out(observations, steps) if steps or not offered else {},
            notes=tuple(notes) or tuple(self.notes),
            offered=offered,
            bench_trials=tuple(run.trial for run in self.bench),
            kernels=(*self.kernels, *investigation.kernels),
            bench=tuple(Chooser(self.space, [run.trial for run in self.bench]).rank(hard)),
        )

    def _offered(
        self,
        observations: Sequence[Observation],
        steps: Sequence[Step],
        wanted: dict[str, Beliefs],
        limits: Limits,
    ) -> list[Choice]:
        """Every run that tells something, those first that may answer a given value without an answer."""
        promising = self._given_first.promising(observations, self._able(steps, limits))
        first = {candidate.step.run.id for candidate in promising.values()}
        ranked = self._rank(wanted, steps, limits)
        return sorted(ranked, key=lambda choice: choice.trial.id not in first)

    def pick(
        self, observations: Sequence[Observation], steps: Sequence[Step] = (), limits: Limits = LIMITS
    ) -> list[Step]:
        """The next runs, at most `limits.jobs`: the best for the goals, then the best for a side question.

        A given value that has no answer yet comes first, so that the budget is not spent before it has one.
        While a goal has more than one cause left, the reports count like any observation; once it has
        one, cells are chosen as if the reports might err, so that the answer stands without them.
        """
        picked: list[Step] = []
        if answering := self._given_first.pick(observations, steps, self._able(steps, limits)):
            picked.append(answering)
            # Beside it nothing is fetched for a side question: an answer may need the budget.
            limits = evolve(limits, download=sum(fetched([*steps, answering]).values()))
        elif telling := self._telling(observations, steps, limits):
            picked.append(telling)
        elif unseen := self._given_first.unseen(observations, self._able(steps, limits)):
            picked.append(unseen)
        sides = {name: self._hard(observations, name) for name in self.plan.sides}
        while len(picked) < limits.jobs and (side := self._rank(sides, [*steps, *picked], limits)):
            picked.append(self._step(side[0], sides, "side"))
            sides = {name: beliefs for name, beliefs in sides.items() if name not in side[0].worth}
        return picked

    def _telling(
        self, observations: Sequence[Observation], steps: Sequence[Step], limits: Limits
    ) -> Step | None:
        """The run that tells most about the causes of the goals; else one that challenges a belief."""
        goals = {name: self._open(observations, name) for name in self.plan.goals}
        ranked = self._rank(goals, steps, limits)
        purpose = "settle"
        if self.space.noise:
            ranked = [choice for choice in ranked if choice.bits >= _LEAST_BITS]
        if not ranked:
            goals = {name: beliefs_from(self.space, observations, name) for name in self.plan.goals}
            ranked, purpose = self._rank(goals, steps, limits), "confirm"
        return (
            self._step(ranked[0], goals, purpose) if ranked else self._challenge(observations, steps, limits)
        )

    def _able(self, steps: Sequence[Step], limits: Limits) -> list[tuple[Run, float]]:
        """The runs not done yet that the budget allows, cheapest first, with their cost in seconds."""
        have = fetched(steps)
        ran = {
            identity
            for identity, times in Counter(step.run.id for step in steps).items()
            if times >= self._most_times(identity)
        }
        download_budget = limits.download - sum(have.values())
        able = [
            (run, run.trial.cost + more / RATE)
            for run in self.runs
            if run.id not in ran and (more := bytes_more(run, have)) <= download_budget
        ]
        return sorted(able, key=lambda pair: pair[1])

    def _most_times(self, identity: str) -> int:
        """How often a run may be chosen: boots again where outcomes lie; a prediction says the same."""
        emulated = self._by_id[identity].experiment.source == "emulated"
        return _MOST_TIMES if self.space.noise and emulated else 1

    def _challenge(
        self, observations: Sequence[Observation], steps: Sequence[Step], limits: Limits
    ) -> Step | None:
        """A run in which a belief predicts failure and no cause left does, cheapest first; or None.

        The causes left explain everything so far with one cause. A belief that was never put to the test
        may be a second one, hidden behind the first: this is the test. A success refutes the belief, a
        failure shows that more than one cause acts.
        """
        able = [run for run, _ in self._able(steps, limits)]
        for belief in self.plan.belief:
            claim = claim_mask(self.space, belief.cause) if belief.outcome in self.plan.goals else 0
            relevant, _, _ = counted(self.space, observations, belief.outcome)
            withstood = [
                observation
                for observation in relevant
                if observation.outcomes[belief.outcome] is Verdict.WORKS
            ]
            causes = self.space.consistent(relevant, belief.outcome)
            if not claim or not causes or not claim & self.space.consistent(withstood, belief.outcome):
                continue
            for run in able:
                failing = [
                    self.space.failing(cell)[0] for name, cell in run.trial.views if name == belief.outcome
                ]
                if any(mask & claim and not mask & causes for mask in failing):
                    choice = Choice(trial=run.trial, bits=0.0, worth={belief.outcome: 0.0})
                    return Step(choice, run, f"belief {belief.id}", {belief.outcome: causes.bit_count()})
        return None

    def _rank(self, beliefs: dict[str, Beliefs], steps: Sequence[Step], limits: Limits) -> list[Choice]:
        """The trials that tell something and may be run, best first.

        A trial costs its seconds and the time that fetching its kernel takes at `RATE`, as far as no step
        before has fetched it; what the cache happens to hold does not count, so that the path does not
        depend on it.
        """
        cost = {run.id: seconds for run, seconds in self._able(steps, limits)}
        skip = frozenset(run.id for run in self.runs if run.id not in cost)
        return self._chooser.rank(beliefs, skip=skip, cost=lambda trial: cost[trial.id])

    def _left_out(self, observations: Sequence[Observation], steps: Sequence[Step]) -> dict[str, str]:
        """Goal → the run that would still tell most of the goals and does not fit the budget."""
        goals = {name: self._hard(observations, name) for name in self.plan.goals}
        for choice in self._rank(goals, steps, UNLIMITED)[:1]:
            run = self._by_id[choice.trial.id]
            names = ", ".join(choice.worth)
            says = f"{run.id} would tell more of {names}, but {too_large(run, steps)}"
            return dict.fromkeys(choice.worth, says)
        return {}

    def _waiting(
        self, observations: Sequence[Observation], steps: Sequence[Step], limits: Limits
    ) -> dict[str, str]:
        """Given value → the run that might answer it, and what it lacks."""
        unlimited = self._able(steps, UNLIMITED)
        affordable = {run.id for run, _ in self._able(steps, limits)}
        waiting = {}
        for value, promising in self._given_first.promising(observations, unlimited).items():
            step = promising.step
            lacks = "" if step.run.id in affordable else f": it {too_large(step.run, steps)}"
            waiting[value] = (
                f"no configuration is known that works; {step.run.id} might be one and was not run{lacks}"
            )
        return waiting

    def _step(self, choice: Choice, beliefs: dict[str, Beliefs], purpose: str) -> Step:
        causes_left = {name: beliefs[name].left.bit_count() for name in choice.worth}
        return Step(choice=choice, run=self._by_id[choice.trial.id], purpose=purpose, left=causes_left)

    def _open(self, observations: Sequence[Observation], outcome: str) -> Beliefs:
        """What is believed of a goal: by weight, where outcomes lie and no cause is sure yet."""
        hard = self._hard(observations, outcome)
        if not self.space.noise or not doubt(self.space, observations, outcome, self.space.noise).plausible:
            return hard
        beliefs = NoisyBeliefs(self.space, self.space.noise)
        for observation in observations:
            beliefs.see(observation, outcome)
        beliefs.left = beliefs.credible()
        return beliefs

    def _hard(self, observations: Sequence[Observation], outcome: str) -> Beliefs:
        """The causes that fit; where none does alone, those that are sound, any of which may be a part."""
        relevant, _, _ = counted(self.space, observations, outcome)
        causes = self.space.consistent(relevant, outcome) or sound(self.space, relevant, outcome)
        return Beliefs(self.space, causes)

    def _boot_all(self, boots: Sequence[tuple[Run, int]], executor: Executor) -> dict[str, list[Done]]:
        """Boot side by side, each with its repetition's number; results are in order."""
        emulated = [(run, number) for run, number in boots if run.experiment.source == "emulated"]
        kernels = {run.id: executor.prepare(run) for run, _ in emulated}
        done = executor.boot_all([(run, kernels[run.id], number) for run, number in emulated])
        return {
            identity: [done[name, number] for name, number in sorted(done) if name == identity]
            for identity in kernels
        }

    def _announce(self, step: Step, progress: Progress) -> None:
        kernel = step.run.kernel
        for name, bits in step.choice.worth.items():
            if bits < 0.005 and not step.purpose.startswith(("belief", ANSWER)):
                continue
            splits = " / ".join(str(size) for size in step.choice.splits.get(name, ()))
            state = f"{step.left[name]} causes of {name} left; it splits them {splits}"
            why = {
                "settle": state,
                "confirm": f"reports set aside, {state}",
                "side": f"side question {name}",
            }.get(step.purpose, f"puts {step.purpose} to the test: the causes left say it works")
            if step.purpose.startswith(ANSWER):
                why = (
                    f"for {step.purpose.removeprefix(ANSWER)}, of which nothing is known to work yet; {state}"
                )
            progress.note(f"next: {kernel.name if kernel else step.run.id} {_where(step.run)}: {why}")

    def _tell(self, observations: Sequence[Observation], remark: str, progress: Progress) -> None:
        for observation in observations:
            verdicts = ", ".join(f"{name} {verdict}" for name, verdict in observation.outcomes.items())
            cell = " ".join(levels[0] for levels in observation.values.values())
            progress.note(f"  {observation.id} ({observation.source.word}): {cell}: {verdicts}{remark}")


def _where(run: Run) -> str:
    if run.devicetree is None:
        return f"on {run.experiment.machine}"
    return f"read for {run.devicetree.board} {run.devicetree.stepping}"


def factors_of(plan: Plan, began: Sequence[Observation], kernels: Sequence[Candidate]) -> list[Factor]:
    """The plan's factors with every level that occurs; raises `Refused` for one that it does not have."""
    factors = []
    for name, declared in plan.factor.items():
        levels = list(declared.levels)
        if declared.fact:
            levels += [kernel.fact(declared.fact) for kernel in kernels]
        for experiment in plan.experiment:
            levels += experiment.levels.get(name, [])
        for observation in began:
            levels += observation.values.get(name, ())
        factors.append(make_factor(name, levels, declared.label))
    extra = {name for observation in began for name in observation.values} - set(plan.factor)
    if extra:
        raise Refused(
            f"the observations name factors that the plan does not know: {', '.join(sorted(extra))}",
            hint=f"the plan's factors are {', '.join(plan.factor)}",
        )
    return factors
