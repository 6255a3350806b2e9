"""The command line, ``z1``. Each command imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Any

import click

from z1.errors import InputError, RunError
from z1.options import Numbers, Pair
from z1.planning import commands as planning_commands
from z1.serving import commands as serving_commands
from z1.versioning import commands as versioning_commands
from z1_pipelines import commands as cluster_commands

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_BUDGET = click.IntRange(0)
_COUNT = click.IntRange(1)
_FAILED = 1
_WRONG_INPUT = 2
_STOPPED = 130


class _Commands(click.Group):
    """Commands that end in one message: with code 2 for wrong input, 1 for a run that failed."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(_WRONG_INPUT)
        except RunError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(_FAILED)
        except ModuleNotFoundError as error:
            if error.name != "kfp":
                raise
            click.echo("error: kfp is not installed here: pip install 'z1[kfp]'", err=True)
            sys.exit(_WRONG_INPUT)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            sys.exit(_STOPPED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="z1")
def main() -> None:
    """Turn a reasoning model into one that thinks only as long as a problem needs.

    \b
    Start here:
      z1 run demo          the whole TOPS pipeline on a tiny model, on this machine
      z1 run z1-demo       the Z1 pipeline, likewise
      z1 recipe keys       all that a recipe can say
      z1 plan, report      what a run will take, and what it took
      z1 submit, schedule  a pipeline on a cluster, and its model retrained again and again
    """


@main.command()
@click.argument("recipe")
@click.option("--output", type=_FOLDER, default=Path("runs"), help="Folder of all runs. [runs]")
def run(recipe: str, output: Path) -> None:
    """Run the pipeline of RECIPE, a file or the name of a built-in recipe.

    Everything goes to the folder OUTPUT/NAME, NAME being the recipe's name: a folder a step, the
    log, and at the end report.html and report.json. What is there already of an unchanged recipe
    is not made again, and a run that was cut off goes on where it stopped.

    \b
    Example:
      z1 run demo
      z1 run mine.yaml --output /data/runs
    """
    from z1.recipe import find_recipe
    from z1.run import run_recipe

    try:
        run_recipe(find_recipe(recipe), output)
    except KeyboardInterrupt:
        click.echo("stopped; run the same command again to go on", err=True)
        sys.exit(_STOPPED)


@main.command()
@click.argument("name")
@click.option("--recipe", required=True, help="A file, or the name of a built-in recipe.")
@click.option("--section", required=True, help="Key of the step's section, such as train.tops.")
@click.option("--input", "inputs", type=Pair(), multiple=True, help="NAME=PATH; may be repeated.")
@click.option("--option", "options", type=Pair(), multiple=True, help="NAME=VALUE; likewise.")
@click.option(
    "--output", type=_FOLDER, required=True, help="Folder to write; also the step's name."
)
def stage(
    name: str,
    recipe: str,
    section: str,
    inputs: tuple[tuple[str, str], ...],
    options: tuple[tuple[str, str], ...],
    output: Path,
) -> None:
    """Run one stage by hand.

    NAME is problems, generate, merge, verify, filter, select, sft, dpo, incumbent, added, evaluate,
    publish, gate or deploy. Inputs are folders that other stages wrote. An output that is there
    already, made of the same inputs, is not made again; publish, gate and deploy look at the
    registry and the cluster each time.

    \b
    Inputs and options of each stage:
      problems   (none)
      generate   problems, model      split=SPLIT efforts=all|none shard=2/4
      merge      shard-1, shard-2 and so on
      verify     replies, problems
      filter     replies, problems
      select     replies, problems, seed      rule=seed|shortest|random|pairs|tokens
      sft        examples, model, problems
      dpo        pairs, model
      incumbent  (none); its section is publish
      added      problems, incumbent; its section is retrain
      evaluate   problems, tag, random, tops, iter-sft, iter-dpo, tops-stop, tops-tags, z1,
                 incumbent
      publish    evaluate, and by their names all steps that the model came from
      gate       evaluate, published; its section is evaluate.gate
      deploy     published, gate

    \b
    Example:
      z1 stage problems --recipe demo --section problems --output out/problems
      z1 stage generate --recipe demo --section teacher --input problems=out/problems \\
        --option split=seed --option efforts=all --output out/seed-replies
    """
    from z1.progress import spare_logs
    from z1.recipe import find_recipe, load_recipe
    from z1.stages import run_stage

    spare_logs()
    paths = {key: Path(path) for key, path in inputs}
    loaded = load_recipe(find_recipe(recipe))
    record = run_stage(name, loaded, section, paths, output, dict(options))
    click.echo(f"{output}: kept {record['kept']} {record['unit']}, dropped {record['dropped']}")
    for reason, count in record["reasons"].items():
        if count:
            click.echo(f"  {count} {reason}")


@main.command()
@click.argument("replies", type=_FILE)
@click.option(
    "-o", "--output", type=_FILE, required=True, help="JSONL file to write; - for standard output."
)
def verify(replies: Path, output: Path) -> None:
    """Check the replies in a JSONL or Parquet file, whoever wrote them.

    Each line of REPLIES has verifier (math, choice, exact, procedural or code), answer and text.
    Each line written is the same with two more keys: verdict (right, wrong, or error where the
    verifier itself failed) and reason. For code, details say which sandbox the program ran in,
    the test that it failed and why, and what it tried that the sandbox refuses.

    \b
    Example:
      echo '{"verifier": "math", "answer": "1/2", "text": "It is $0.5$."}' > replies.jsonl
      z1 verify replies.jsonl -o verdicts.jsonl
    """
    from z1.verifiers.files import verify_file

    verify_file(replies, output)


@main.command()
@click.option("--benchmark", required=True, help="Its name; see above.")
@click.option("--model", required=True, help="A folder, a Hugging Face id, or tiny.")
@click.option("--budgets", type=Numbers(), help="Thinking budgets in tokens. [none]")
@click.option("--benchmark-path", type=click.Path(path_type=Path), help="Local copy. [the hub's]")
@click.option("--engine", type=click.Choice(["transformers", "vllm"]), default="transformers")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, help="[0, greedy]")
@click.option("--seeds", type=Numbers(), help="Where the temperature is above 0. [1,2,3]")
@click.option("--max-tokens", type=_COUNT, help="Of a reply. [4096, or 1024 above the budgets]")
@click.option("--hint", help="Text that makes the model answer. [that of recipes]")
@click.option("--output", type=_FOLDER, help="Folder to write. [runs/BENCHMARK-MODEL]")
def evaluate(
    benchmark: str,
    model: str,
    budgets: list[int] | None,
    benchmark_path: Path | None,
    engine: Any,
    temperature: float,
    seeds: list[int] | None,
    max_tokens: int | None,
    hint: str | None,
    output: Path | None,
) -> None:
    """Test a model on a benchmark: accuracy and thinking tokens.

    The benchmarks are gsm8k, math500, aime2024, gpqa-diamond, livecodebench-v5 and
    bigcodebench-hard. They come from the Hugging Face hub, or from the file or folder that
    --benchmark-path names, in the columns that they have on the hub.

    With --budgets the model is also tested, greedily, within each thinking budget: once with the
    window, which gives it the hint and lets it answer, and once cut there.

    OUTPUT gets report.html, report.json and every reply with its verdict. The same command goes on
    where it was cut off.

    \b
    Example:
      z1 evaluate --benchmark math500 --model Qwen/Qwen2.5-0.5B-Instruct --budgets 256,512
    """
    import json

    from z1.evaluation.report import print_table
    from z1.recipe import BenchmarkSource, Sampling, ThinkingWindow
    from z1.trial import default_limit, make_trial, run_trial

    budgets = budgets or []
    limit = max_tokens or default_limit(budgets)
    sampling = Sampling(engine=engine, temperature=temperature, max_tokens=limit)
    window = ThinkingWindow() if hint is None else ThinkingWindow(hint=hint)
    trial = make_trial(benchmark, model, sampling, seeds or [1, 2, 3], budgets, window)
    source = BenchmarkSource(kind="benchmark", name=benchmark, path=benchmark_path)
    folder = output or Path("runs") / trial.name
    for remark in run_trial(trial, source, folder):
        click.echo(remark, err=True)
    print_table(json.loads((folder / "report.json").read_text(encoding="utf-8")))
    click.echo(f"Report: {folder / 'report.html'}")


@main.group()
def recipe() -> None:
    """Check a recipe, or see what one can say."""


@recipe.command("check")
@click.argument("file")
def recipe_check(file: str) -> None:
    """Check FILE and explain all mistakes in it at once.

    \b
    Example:
      z1 recipe check mine.yaml
    """
    from z1.problems.check import find_source_mistakes
    from z1.recipe import find_recipe, load_recipe

    path = find_recipe(file)
    load_recipe(path, find_source_mistakes)
    click.echo(f"{path}: no mistakes")


@recipe.command("keys")
def recipe_keys() -> None:
    """Show every key of a recipe: its type, default and meaning."""
    from z1.recipe.keys import list_keys

    for key in list_keys():
        click.echo(f"{click.style(key.name, bold=True)}: {key.type}; {key.default}")
        if key.meaning:
            click.echo(f"    {key.meaning}")


@main.group()
def problems() -> None:
    """Look after files of problems."""


@problems.command("check")
@click.argument("file", type=_FILE)
def problems_check(file: Path) -> None:
    """Run each problem's reference answer through its own verifier.

    FILE is JSONL or Parquet with prompt, answer, verifier and optionally id and difficulty.

    \b
    Example:
      z1 problems check mine.jsonl
    """
    from z1.problems.check import check_file

    count = check_file(file)
    click.echo(f"{file}: {count} problems; every answer passes its verifier")


@main.command()
@click.argument("model")
@click.argument("extra", nargs=-1, type=click.UNPROCESSED)
@click.option("--port", type=int, default=8000, help="[8000]")
@click.option("--host", help="Address to listen at. [all of the machine's]")
@click.option("--hint", help="Text that makes the model answer. [that of recipes]")
@click.option("--reserve", type=_COUNT, help="Tokens kept for the answer. [64]")
@click.option("--budget-low", type=_BUDGET, default=256, help="Tokens of low effort. [256]")
@click.option("--budget-medium", type=_BUDGET, default=1024, help="Likewise. [1024]")
@click.option("--budget-high", type=_BUDGET, default=4096, help="Likewise. [4096]")
@click.option("--api-key", envvar="VLLM_API_KEY", help="Key that requests must bring. [none]")
def serve(
    model: str,
    extra: tuple[str, ...],
    port: int,
    host: str | None,
    hint: str | None,
    reserve: int | None,
    api_key: str | None,
    **budgets: int,
) -> None:
    """Serve MODEL with exact thinking budgets: vLLM's OpenAI server and z1's plug-in.

    MODEL is a folder, a Hugging Face id, or tiny. What follows -- goes to vLLM.

    \b
    Fields of a request to /v1/chat/completions:
      reasoning_effort        low, medium or high: the budget given here, and the effort
                              prompt where the model was trained with one
      thinking_token_budget   exact; 0 asks for the answer at once. Without it the
                              effort's, which gets smaller where the answer needs the room
      max_completion_tokens   thinking, hint and answer together

    A reply that ends within its budget is all content. Otherwise the hint follows the thinking at
    once; reasoning is what came before the hint, content what comes after it, and the choice's
    window says {"closed": true}. usage.completion_tokens_details has reasoning_tokens and
    hint_tokens. In a stream the text comes as delta.draft until it is known which of the two it
    is, and then once more, whole, as delta.reasoning or delta.content.

    /v1/completions takes thinking_token_budget too; its text is the whole reply with the hint.
    A request without these fields is vLLM's alone.

    \b
    Example:
      z1 serve tiny --port 8000
      z1 serve runs/demo/tops --budget-low 128 -- --max-num-seqs 64
    """
    from z1.recipe import ThinkingWindow
    from z1.serving.server import serve

    given = {"hint": hint, "reserve": reserve}
    window = ThinkingWindow(**{key: value for key, value in given.items() if value is not None})
    named = {name.removeprefix("budget_"): value for name, value in budgets.items()}
    serve(model, (host, port), window, named, api_key, extra)


@main.command("tiny-base")
@click.argument("folder", type=_FOLDER)
def tiny_base(folder: Path) -> None:
    """Write the tiny base model to FOLDER, as an ordinary Hugging Face model.

    \b
    Example:
      z1 tiny-base models/half-million
    """
    from z1.tiny import write_tiny

    write_tiny(folder)
    click.echo(f"{folder}: the tiny base model")


for _room in (planning_commands, cluster_commands, versioning_commands, serving_commands):
    for _command in _room.COMMANDS:
        main.add_command(_command)


if __name__ == "__main__":
    main()
