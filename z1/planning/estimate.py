"""The arithmetic of a plan: what each step of a pipeline asks, reads and writes, and how long.

Only what takes an accelerator costs: sampling and training. Prompts count in training alone, since
reading one takes a small part of the time of writing the reply.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from z1.evaluation import MODELS
from z1.evaluation.budgets import CURVES
from z1.planning.counts import Counts, Kind, count_problems
from z1.planning.figures import Figures, Selected, find_rate, find_size, look_up
from z1.planning.steps import Step
from z1.recipe import DpoTraining, Recipe, Sampling, SftTraining, Teacher
from z1.recipe.evaluation import Evaluation
from z1.records import EFFORTS

REFERENCE = 1.25
"""DPO over SFT: the reference model's forward pass comes to the 8 FLOP a parameter and token."""


class Load(NamedTuple):
    """What a step takes."""

    requests: float = 0
    """Replies sampled, checked or chosen from, or sequences trained on, once for each epoch."""
    tokens: float = 0
    """Of the replies sampled, or of prompts and replies trained on."""
    hours: float = 0
    """Of an accelerator."""
    cost: float = 0
    """Dollars."""
    what: str = ""
    """How the requests come about."""
    partly: bool = False
    """Of what a step took: whether its hours are those of its last attempt alone."""


class _Rows(NamedTuple):
    """What a step hands on."""

    number: float
    tokens: float = 0
    """Mean of a row's replies."""
    prompt: float = 0
    """Mean of its prompt."""
    problems: float = 0
    """How many were answered."""


class _Plan:
    """A recipe's plan in the making."""

    def __init__(self, recipe: Recipe, figures: Figures, counts: Counts) -> None:
        self.recipe, self.figures, self.counts = recipe, figures, counts
        self.rows: dict[str, _Rows] = {}

    def generate(self, step: Step, section: Teacher | Sampling) -> Load:
        kinds = self.counts[step.options["split"]]
        problems = sum(kinds.values())
        efforts = EFFORTS if step.options["efforts"] == "all" else (None,)
        sampling = section.sampling if isinstance(section, Teacher) else section
        samples = sampling.samples if sampling else 1
        limit = sampling.max_tokens if sampling else math.inf
        per_problem = samples * len(efforts)
        tokens = samples * sum(self._tokens(kinds, effort, limit) for effort in efforts)
        prompts = sum(n * look_up(self.figures.prompts, *kind) for kind, n in kinds.items())
        count = problems * per_problem
        self.rows[step.name] = _Rows(
            count, tokens / max(count, 1), prompts / max(problems, 1), problems
        )
        parts = [say(problems, "problem")]
        parts += ["3 efforts"] * (len(efforts) > 1) + [say(samples, "sample")] * (samples > 1)
        what = " x ".join(parts)
        if isinstance(section, Teacher):
            if section.engine in ("scripted", "file"):
                return Load(count, tokens, what=f"{what}, no model")
            names: tuple[str | None, ...] = (section.model,)
        else:
            names = (self.recipe.model.path,)
        waiting = self.figures.waiting("sampling")
        return self._sampled(count, tokens, what, sampling, *names, waiting=waiting)

    def select(self, step: Step, section: Any) -> Load:
        """Keep rows as verify, filter and select do."""
        given = self.rows[step.inputs["replies"]]
        if step.stage == "verify":
            self.rows[step.name] = given
            return Load(given.number, what="replies checked")
        kept = self.figures.selected.get(step.name, Selected(share=1))
        count, tokens = given.problems * kept.share, given.tokens * kept.length
        if step.options.get("rule") == "tokens" and self.recipe.select.tokens:
            count = min(count, self.recipe.select.tokens / max(tokens, 1))
        # What is filtered out is out; a selection's share is of all problems that were answered.
        problems = count if step.stage == "filter" else given.problems
        self.rows[step.name] = given._replace(number=count, tokens=tokens, problems=problems)
        return Load(given.number, what=f"{count:,.0f} kept")

    def train(self, step: Step, section: SftTraining | DpoTraining) -> Load:
        given = self.rows[step.inputs["pairs" if step.stage == "dpo" else "examples"]]
        sequences = given.number * section.epochs
        prompts = given.prompt * (2 if step.stage == "dpo" else 1)
        tokens = sequences * (given.tokens + prompts)
        rate = find_rate(self.figures.training, self._size())
        more = REFERENCE if step.stage == "dpo" else 1
        hours = tokens / rate * more / 3600 + self.figures.waiting("training")
        noun = "pair" if step.stage == "dpo" else "example"
        epochs = "1 epoch" if section.epochs == 1 else f"{section.epochs:g} epochs"
        what = f"{say(given.number, noun)} x {epochs}"
        return Load(sequences, tokens, hours, hours * self.figures.price, what)

    def evaluate(self, step: Step, section: Evaluation) -> Load:
        kinds = self.counts["evaluation"]
        problems = sum(kinds.values())
        cells = [(1, 0.0)] if section.greedy or not section.sampling.temperature else []
        if section.sampling.temperature:
            cells.append((len(set(section.seeds)) * section.sampling.samples, 1.0))
        passes = sum(count for count, _ in cells)
        budgets = sorted(set(section.budgets))
        given = {name: None for name in ("base", *step.inputs) if name in MODELS}
        if self.recipe.publish.registry is None:
            given.pop("incumbent", None)
        curves = [name for name in ("base", *step.inputs) if name in {one for one, _ in CURVES}]
        if self.recipe.method == "tops":
            curves.remove("base")
        total, asked, curved = Load(), 0, 0
        baselines = {one.name: one for one in section.baselines}
        for name in dict.fromkeys([*given, *curves, *baselines]):
            efforts = EFFORTS if name == "tag" else (None,)
            other = baselines.get(name)
            scale = self.figures.models.get(name, 1.0)
            requests = tokens = 0.0
            if name not in curves or name in given:
                asked += len(efforts)
                for effort in efforts:
                    limit = section.sampling.max_tokens
                    once = self._tokens(kinds, effort, limit, scale)
                    requests, tokens = requests + problems * passes, tokens + passes * once
            if name in curves or other:
                curved += 1
                requests += problems * len(budgets)
                tokens += sum(self._within(kinds, budget, scale) for budget in budgets)
            sampling = section.sampling
            if other and other.endpoint:
                sampling = sampling.model_copy(update={"engine": "endpoint"})
            names = (other.model, name) if other else (self.recipe.model.path,)
            load = self._sampled(requests, tokens, "", sampling, *names)
            total = add_up({"so far": total, name: load})
        if total.hours:
            waiting = self.figures.waiting("sampling")
            cost = total.cost + waiting * self.figures.price
            total = total._replace(hours=total.hours + waiting, cost=cost)
        models = say(asked, "model and effort", "models and efforts")
        each = f"{say(passes, 'pass', 'passes')} x {models}"
        if budgets and curved:
            each = f"({each} + {say(len(budgets), 'budget')} x {say(curved, 'model')})"
        return total._replace(what=f"{say(problems, 'problem')} x {each}")

    def _tokens(
        self, kinds: Mapping[Kind, float], effort: str | None, limit: float, scale: float = 1.0
    ) -> float:
        """Return the tokens of one reply to each problem."""
        if effort:
            scale *= dict[str, float](self.figures.efforts.items()).get(effort, 1.0)
        table = self.figures.tokens
        return sum(n * min(scale * look_up(table, *kind), limit) for kind, n in kinds.items())

    def _within(self, kinds: Mapping[Kind, float], budget: int, scale: float) -> float:
        """Return the tokens of one reply to each problem within a thinking budget.

        Lengths are taken to be spread around their mean as the sum of two exponential parts, of
        which the Z1 paper's averages within budgets are near; an answer after the hint has on
        average half of what is reserved for it.
        """
        total = 0.0
        for kind, n in kinds.items():
            mean = max(scale * look_up(self.figures.tokens, *kind), 1.0)
            left = math.exp(-2 * budget / mean)
            closed = left * (1 + 2 * budget / mean)
            thinking = mean * (1 - left) - budget * left
            total += n * (thinking + closed * self.recipe.window.reserve / 2)
        return total

    def _sampled(
        self,
        requests: float,
        tokens: float,
        what: str,
        sampling: Sampling | None,
        *names: str | None,
        waiting: float = 0,
    ) -> Load:
        if sampling and sampling.engine == "endpoint":
            return Load(requests, tokens, 0, tokens / 1e6 * self.figures.price_per_million, what)
        size = find_size(self.figures, *names)
        hours = tokens / find_rate(self.figures.sampling, size) / 3600 + waiting
        return Load(requests, tokens, hours, hours * self.figures.price, what)

    def _size(self) -> float:
        return find_size(self.figures, self.recipe.model.path)


DO: dict[str, Callable[[_Plan, Step, Any], Load]] = {
    "generate": _Plan.generate,
    "verify": _Plan.select,
    "filter": _Plan.select,
    "select": _Plan.select,
    "sft": _Plan.train,
    "dpo": _Plan.train,
    "evaluate": _Plan.evaluate,
}
"""The stages that are planned, and how."""


def estimate(
    recipe: Recipe, figures: Figures, steps: Sequence[Step], counts: Counts | None = None
) -> dict[str, Load]:
    """Return what each step of a recipe's pipeline takes that asks, trains or chooses, in order.

    ``counts`` are the problems of each split, by the recipe's sources if absent. Raises InputError
    if figures are missing.
    """
    from z1.stages import find_section

    plan = _Plan(recipe, figures, count_problems(recipe, figures) if counts is None else counts)
    return {
        step.name: DO[step.stage](plan, step, find_section(recipe, step.section))
        for step in steps
        if step.stage in DO
    }


def say(count: float, one: str, more: str | None = None) -> str:
    """Return a count with its noun, in the plural where it takes that."""
    number = f"{count:,.0f}"
    return f"{number} {one if number == '1' else more or one + 's'}"


def add_up(loads: Mapping[str, Load]) -> Load:
    """Return the sum of all steps; of the requests only those for a model."""
    spent = [load for load in loads.values() if load.tokens]
    return Load(
        sum(load.requests for load in spent),
        sum(load.tokens for load in spent),
        sum(load.hours for load in spent),
        sum(load.cost for load in spent),
    )
