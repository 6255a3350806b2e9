"""The commands before and after a run: what it will take, and what it took."""

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_FIGURES = click.option("--figures", type=_FILE, help="YAML, in place of z1's own. [z1's own]")


@click.command()
@click.argument("recipe")
@_FIGURES
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(recipe: str, figures: Path | None, as_json: bool) -> None:
    """Say what a run of RECIPE will take, before it starts.

    Of each step: replies sampled or sequences trained on, their tokens, accelerator-hours and cost;
    and which single choice, halved, would save most. Nothing is loaded or downloaded.

    Its figures, which are tokens a second, prices, lengths of replies and shares of them that are
    kept, are estimates for large models and measured for the demos. FIGURES replaces them key by
    key: write a few, or have `z1 report` save all those of a smaller run.

    \b
    Example:
      z1 plan tops-qwen2.5-32b
      echo '{price: 2.0, sampling: {32: 1500}}' > mine.yaml
      z1 plan tops-qwen2.5-32b --figures mine.yaml
    """
    import json

    from z1.planning.estimate import estimate
    from z1.planning.figures import find_figures
    from z1.planning.lever import find_lever
    from z1.planning.tables import print_plan, to_json
    from z1.recipe import find_recipe, load_recipe
    from z1_pipelines.choosing import list_steps

    loaded = load_recipe(find_recipe(recipe))
    known = find_figures(loaded, figures)
    steps = list_steps(loaded)
    loads = estimate(loaded, known, steps)
    if as_json:
        click.echo(json.dumps(to_json(loads), indent=1))
    else:
        print_plan(loaded, known, loads, find_lever(loaded, known, steps))


@click.command()
@click.argument("run", type=_FOLDER)
@click.option("--recipe", help="A file or built-in recipe. [RUN/recipe.yaml]")
@_FIGURES
@click.option("--save", type=_FILE, help="Write the figures of this run there.")
def report(run: Path, recipe: str | None, figures: Path | None, save: Path | None) -> None:
    """Compare what a run took with the plan for it.

    RUN is the folder of a run, whose steps need not all have ended. Hours are those in which each
    step finished, times the devices that the figures say it holds; of a step that was cut off and
    went on, those of its last attempt. --save writes the figures of this run, to plan a larger one
    of the same kind with.

    \b
    Example:
      z1 report runs/demo
      z1 report runs/pilot --save pilot.yaml
      z1 plan mine.yaml --figures pilot.yaml
    """
    import yaml

    from z1.errors import InputError
    from z1.planning.actual import measure_run
    from z1.planning.estimate import estimate
    from z1.planning.figures import find_figures
    from z1.planning.learning import learn_figures
    from z1.planning.tables import print_comparison
    from z1.recipe import find_recipe, load_recipe
    from z1.records import write_bytes
    from z1_pipelines.choosing import list_steps

    kept = run / "recipe.yaml"
    if not run.is_dir():
        raise InputError(f"{run}: there is no such folder; give that of a run, such as runs/demo")
    if recipe is None and not kept.is_file():
        raise InputError(
            f"{run}: holds no recipe.yaml, which a run has once it ended; give --recipe"
        )
    loaded = load_recipe(find_recipe(recipe or str(kept)), runs_here=recipe is not None)
    if recipe is not None and kept.is_file():
        own = load_recipe(kept, runs_here=False).name
        if own != loaded.name:
            raise InputError(f"{run}: a run of {own}, and not of {loaded.name}")
    known = find_figures(loaded, figures)
    steps = list_steps(loaded)
    took = measure_run(loaded, known, steps, run)
    if not took:
        raise InputError(f"{run}: no step of {loaded.name} has ended here")
    print_comparison(loaded.name, known, estimate(loaded, known, steps), took)
    if save:
        about = f"the figures of a run of {loaded.name}"
        learnt = learn_figures(loaded, known, steps, run, took, about)
        text = yaml.safe_dump(learnt.model_dump(), sort_keys=False, allow_unicode=True)
        try:
            write_bytes(save, text.encode())
        except OSError as error:
            raise InputError(f"{save}: cannot be written: {error}") from error
        click.echo(f"{save}: the figures of this run")


COMMANDS = (plan, report)
