"""The steps of a pipeline as a list: what takes the place of ``z1_pipelines.steps.Steps``."""

from typing import Any, NamedTuple


class Step(NamedTuple):
    """A step of a pipeline."""

    name: str
    stage: str
    section: str
    """Key of the recipe's section."""
    inputs: dict[str, str]
    """The steps that its inputs come from, by the inputs' names."""
    options: dict[str, str]


class _Output(NamedTuple):
    step: str
    task: "_Task"


class _Task:
    def after(self, *tasks: "_Task") -> None:
        """Take note of nothing: the list is in the pipeline's order anyway."""


class Listing:
    """Takes a pipeline's steps as ``Steps`` does, and writes them down."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.made: dict[str, _Output] = {}

    def do(self, component: Any, step: str, section: str = "", **arguments: Any) -> _Output:
        """Write a step down and return what stands for its output."""
        given = {name: value for name, value in arguments.items() if isinstance(value, _Output)}
        inputs = {name.replace("_", "-"): value.step for name, value in given.items()}
        options = {name: value for name, value in arguments.items() if name not in given}
        stage: str = component.name
        self.steps.append(Step(step, stage, section or stage, inputs, options))
        output = self.made[step.replace("-", "_")] = _Output(step, _Task())
        return output

    sample = do
