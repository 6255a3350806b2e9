"""What each stage has to be given, checked before it starts. A new stage is a file and a line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from z1.errors import InputError
from z1.recipe import (
    Deployment,
    DpoTraining,
    Evaluation,
    Filter,
    Gate,
    Problems,
    Publish,
    Recipe,
    Retrain,
    Sampling,
    Section,
    Selection,
    Teacher,
    Training,
)
from z1.records import SPLITS


class Needs(NamedTuple):
    """What a stage takes."""

    section: tuple[type[Section], ...]
    inputs: tuple[str, ...] = ()
    """Inputs it cannot do without."""
    optional: tuple[str, ...] | None = ()
    """Further inputs it takes; None where it checks their names by itself."""
    options: Mapping[str, tuple[str, ...]] = {}
    """Options it cannot do without, and the values of each; none listed if it checks them."""
    further: tuple[str, ...] = ()
    """Further options it takes and checks."""
    absent: bool = False
    """Whether the recipe may leave the section out; the stage then has nothing to do."""
    looks: bool = False
    """Whether it asks elsewhere than in files, so that its ``look`` has its part in the key."""
    keeps: bool = False
    """Whether it says what is finished, so that the recipe's ``checkpoints`` is of use to it."""
    changes: Callable[[Recipe], bool] = lambda recipe: False
    """Whether, by the recipe, it changes something outside of its output. Then it runs each time,
    and looks there: a whole output of its own does not tell what has become of that."""


def _publishes(recipe: Recipe) -> bool:
    return recipe.publish.registry is not None


STAGES = {
    "problems": Needs((Problems,)),
    "generate": Needs(
        (Teacher, Sampling),
        ("problems",),
        ("model",),
        {"split": SPLITS, "efforts": ("all", "none")},
        ("shard",),
        keeps=True,
    ),
    "merge": Needs((Section,), (), None),
    "verify": Needs((Section,), ("replies", "problems")),
    "filter": Needs((Filter,), ("replies", "problems")),
    "select": Needs((Selection,), ("replies", "problems"), ("seed",), {"rule": ()}),
    "sft": Needs((Training,), ("examples",), ("model", "problems"), keeps=True),
    "dpo": Needs((DpoTraining,), ("pairs", "model"), keeps=True),
    "evaluate": Needs((Evaluation,), ("problems",), None, keeps=True),
    "incumbent": Needs((Publish,), looks=True),
    "added": Needs((Retrain,), ("problems", "incumbent")),
    "publish": Needs((Publish,), (), None, changes=_publishes),
    "gate": Needs((Gate,), ("evaluate", "published"), changes=_publishes),
    "deploy": Needs(
        (Deployment,),
        ("published",),
        ("gate",),
        absent=True,
        changes=lambda recipe: recipe.deploy is not None,
    ),
}


def check_given(
    stage: str, key: str, section: Any, inputs: Mapping[str, Path], options: Mapping[str, str]
) -> None:
    """Raise InputError if a stage was given the wrong section, inputs or options."""
    if stage not in STAGES:
        raise InputError(f"{stage}: no such stage; there are {', '.join(STAGES)}")
    needs = STAGES[stage]
    if not isinstance(section, needs.section) and not (needs.absent and section is None):
        kinds = " or ".join(kind.__name__ for kind in needs.section)
        raise InputError(
            f"section {key}: {stage} takes one of the kind {kinds}, not {type(section).__name__}"
        )
    wanted = needs.inputs
    if stage == "generate" and isinstance(section, Sampling):
        wanted = (*wanted, "model")
    _check_names(stage, "input", wanted, needs.optional, inputs)
    _check_names(stage, "option", tuple(needs.options), needs.further, options)
    for name, values in needs.options.items():
        if values and options[name] not in values:
            raise InputError(
                f"option {name}={options[name]}: {stage} knows {', '.join(values)} here"
            )


def _check_names(
    stage: str,
    kind: str,
    needed: tuple[str, ...],
    optional: tuple[str, ...] | None,
    given: Mapping[str, Any],
) -> None:
    known = [*needed, *(name for name in optional or () if name not in needed)]
    for name in needed:
        if name not in given:
            raise InputError(f"{stage} needs the {kind} {name!r}: give --{kind} {name}=...")
    for name in given:
        if optional is not None and name not in known:
            takes = ", ".join(known) or "none"
            raise InputError(f"{kind} {name!r}: {stage} knows no such {kind}; it takes {takes}")


def check_output(
    output: Path, partial: Path, marks: tuple[str, str], inputs: Mapping[str, Path]
) -> None:
    """Raise InputError if writing ``output`` would replace what no stage has written, or an input.

    ``marks`` are the files by which a stage's output and its unfinished one are known.
    """
    if output.name in ("", ".", ".."):
        raise InputError(f"output {output}: name a folder for this output alone")
    for name, path in inputs.items():
        if path.resolve().is_relative_to(output.resolve()):
            raise InputError(f"output {output}: it holds the input {name!r}, {path}; name another")
    for folder, mark in zip((output, partial), marks, strict=True):
        if not folder.exists() or (folder / mark).is_file():
            continue
        begun = f".{mark}."  # a mark whose writing was ended half-way
        if not folder.is_dir() or any(not p.name.startswith(begun) for p in folder.iterdir()):
            raise InputError(
                f"output {folder}: there is something here that no stage has written; name "
                "another folder, or move it away"
            )
