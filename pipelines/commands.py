"""The commands on a cluster with Kubeflow Pipelines: a recipe run there, once or by the clock."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from z1.options import Pair

_FILE = click.Path(dir_okay=False, path_type=Path)
_STOPPED = 130


def _server_options(command: Any) -> Any:
    """Give a command the options that say where Kubeflow Pipelines is and who asks."""
    options = [
        click.option("--host", envvar="KFP_ENDPOINT", help="Its address. [by the kubeconfig]"),
        click.option("--namespace", envvar="KFP_NAMESPACE", help="Of the user, if there are many."),
        click.option("--token", envvar="KFP_EXISTING_TOKEN", help="Says who asks."),
        click.option(
            "--token-file",
            type=_FILE,
            envvar="KF_PIPELINES_SA_TOKEN_PATH",
            help="Likewise; read again before each request.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _job_options(command: Any) -> Any:
    """Give a command the options that say how a pipeline is run on a cluster."""
    options = [
        click.option("--experiment", help="Made if it is missing. [the recipe's name]"),
        click.option("--pipeline-root", help="Where files go: s3://bucket/folder. [the server's]"),
        click.option(
            "--service-account", help="Of its pods. [z1-steps; with a roll-out z1-deploy]"
        ),
        click.option(
            "--set",
            "settings",
            type=Pair(),
            multiple=True,
            help="A parameter of the pipeline; may be repeated.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("recipe")
@_job_options
@_server_options
@click.option("--retrain", is_flag=True, help="Retrain the model in service, as a schedule does.")
@click.option("--wait", is_flag=True, help="Follow the run to its end; code 1 if it fails.")
def submit(
    recipe: str,
    experiment: str | None,
    pipeline_root: str | None,
    service_account: str | None,
    settings: tuple[tuple[str, str], ...],
    retrain: bool,
    wait: bool,
    **where: Any,
) -> None:
    """Run the pipeline of RECIPE on a cluster with Kubeflow Pipelines.

    RECIPE is a file or the name of a built-in recipe. It must name no files of this machine. The
    compiled pipeline is uploaded as a version named by its content, unless it is there.

    Where the server is and who asks may also stand in kfp's own environment: KFP_ENDPOINT or
    KF_PIPELINES_ENDPOINT, KFP_NAMESPACE, KFP_EXISTING_TOKEN or KF_PIPELINES_SA_TOKEN_PATH.

    \b
    Example:
      z1 submit tops-qwen2.5-32b --host https://kubeflow.example.com/pipeline \\
        --namespace me --token-file token --pipeline-root s3://models/tops --wait
      kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80 &
      z1 submit demo --host http://localhost:8080
      z1 submit mine.yaml --retrain --host http://localhost:8080
    """
    from z1.recipe import find_recipe
    from z1_pipelines.choosing import find_retraining
    from z1_pipelines.job import prepare
    from z1_pipelines.server import connect
    from z1_pipelines.submit import follow
    from z1_pipelines.submit import submit as submit_job

    find = find_retraining if retrain else None
    job = prepare(find_recipe(recipe), settings, find, service_account)
    server = connect(**where)
    run = submit_job(server, job, experiment, pipeline_root)
    click.echo(f"Run {run.id} of pipeline {job.pipeline}, version {job.version}\n{run.page}")
    if wait:
        try:
            follow(server, job, run, click.echo)
        except KeyboardInterrupt:
            click.echo("stopped waiting; the run goes on", err=True)
            sys.exit(_STOPPED)
        click.echo("The run succeeded.")


@click.command()
@click.argument("recipe", required=False)
@click.option("--cron", help="When, in UTC: minute hour day month weekday; or seconds first.")
@click.option("--name", help="Of the schedule. [the recipe's]")
@click.option(
    "--mode", type=click.Choice(["iteration", "full"]), help="Of retraining. [the recipe's]"
)
@click.option("--list", "listing", is_flag=True, help="Show the schedules there are.")
@click.option("--remove", metavar="NAME", help="Delete a schedule.")
@_job_options
@_server_options
def schedule(
    recipe: str | None,
    cron: str | None,
    name: str | None,
    mode: Any,
    listing: bool,
    remove: str | None,
    experiment: str | None,
    pipeline_root: str | None,
    service_account: str | None,
    settings: tuple[tuple[str, str], ...],
    **where: Any,
) -> None:
    """Retrain the model of RECIPE on a cluster again and again.

    A run finds the problems added since the model in service (stage prod of publish.registry) was
    made. If there are as many as retrain.min_problems it trains that model further on them
    (iteration), or the base on all problems (full), and puts the new one into service if the gate
    opens. With fewer it does nothing.

    One run at a time; a run that was missed is not made up for. Called again, it changes the
    schedule of that name. A run that is under way goes on when its schedule is changed or removed.

    The time zone is that of Kubeflow Pipelines' scheduler, which is UTC unless its administrator
    has set another. Sunday is 0.

    \b
    Example:
      z1 schedule mine.yaml --cron '0 3 * * 1' --host http://localhost:8080
      z1 schedule --list --host http://localhost:8080
      z1 schedule --remove mine --host http://localhost:8080
    """
    from z1_pipelines import schedule as schedules
    from z1_pipelines.server import connect

    if [bool(recipe), listing, bool(remove)].count(True) != 1 or bool(recipe) != bool(cron):
        raise click.UsageError("give RECIPE and --cron, or --list, or --remove NAME")
    if listing:
        lines = [schedules.describe(one) for one in schedules.list_schedules(connect(**where))]
        click.echo("\n".join(lines) or "no schedules")
    elif remove:
        schedules.remove_schedule(connect(**where), remove)
        click.echo(f"{remove}: removed")
    elif recipe and cron:
        from z1.recipe import find_recipe
        from z1_pipelines.choosing import find_retraining
        from z1_pipelines.cron import parse_cron, say_next
        from z1_pipelines.job import prepare

        times = parse_cron(cron)
        find = partial(find_retraining, mode=mode)
        job = prepare(find_recipe(recipe), settings, find, service_account)
        name = name or job.name
        server = connect(**where)
        done = schedules.set_schedule(server, job, name, times, experiment, pipeline_root)
        click.echo(f"{name}: {done}; next on {say_next(times)}")


COMMANDS = (submit, schedule)
