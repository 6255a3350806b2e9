"""The commands on the cluster that serves a model: putting a version into service, and back."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from z1.errors import InputError

_FILE = click.Path(dir_okay=False, path_type=Path)


def _check_installed() -> None:
    """Raise InputError where the client of clusters is missing."""
    if find_spec("kubernetes") is None:
        raise InputError("kubernetes is not installed here: pip install 'z1[deploy]'")


def _cluster(command: Any) -> Any:
    """Add the options that say which cluster is meant."""
    for option in (
        click.option("--server", help="URL of the API server, such as that of kubectl proxy."),
        click.option("--context", help="Context of the kubeconfig. [its current one]"),
        click.option("--kubeconfig", type=_FILE, help="[that of kubectl, or of the pod]"),
        click.option("--namespace", help="[deploy.namespace of the recipe: z1]"),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("model", metavar="NAME@VERSION")
@click.argument("address")
@click.option("--recipe", required=True, help="A file, or the name of a built-in recipe.")
@click.option("--url", help="Where the service is reached, for its smoke test. [in the cluster]")
@_cluster
def deploy(
    model: str,
    address: str,
    recipe: str,
    url: str | None,
    namespace: str | None,
    kubeconfig: Path | None,
    context: str | None,
    server: str | None,
) -> None:
    """Serve a published model on KServe, in the place of the version in service.

    ADDRESS is where its files are, s3://BUCKET/PATH. The section deploy of RECIPE says how it is
    served. The new version answers test problems, gets requests step by step and is promoted; if
    anything fails, the version in service gets them all back and the exit code is 1. What is
    served already is left alone. A deployment that was cut off goes on; beside one that is under
    way none begins.

    The key of the service is taken from OPENAI_API_KEY. In URL, {service} stands for the
    Kubernetes service that is meant; it has to reach the new version's own, NAME-VERSION-predictor,
    as well as NAME.

    \b
    Example:
      z1 deploy tops@v3 s3://models/tops/3f2a --recipe mine.yaml
    """
    _check_installed()
    from z1.recipe import Deployment, find_recipe, load_recipe
    from z1.serving.cluster import Cluster, connect
    from z1.serving.published import make_published
    from z1.serving.rollout import deploy

    name, _, version = model.partition("@")
    loaded = load_recipe(find_recipe(recipe))
    given = {"namespace": namespace, "url": url}
    section = (loaded.deploy or Deployment()).model_copy(
        update={k: v for k, v in given.items() if v is not None}
    )
    cluster = Cluster(connect(kubeconfig, context, server), section.namespace)
    published = make_published(name, version, address)
    done = deploy(cluster, published, section, loaded.window, click.echo)
    what = "is served" if done.changed else "is served already"
    click.echo(f"{done.service}: {done.version} {what} at {done.url}")


@click.command()
@click.argument("service")
@click.option("--url", help="As for deploy.")
@_cluster
def rollback(
    service: str,
    url: str | None,
    namespace: str | None,
    kubeconfig: Path | None,
    context: str | None,
    server: str | None,
) -> None:
    """Serve the version before the one that SERVICE serves.

    Each time it goes one version further back. It first passes the smoke test again that it
    passed when it was deployed, with the key in OPENAI_API_KEY; until then, and if it fails, the
    version in service stays. A deployment that was cut off is taken back.

    \b
    Example:
      z1 rollback tops
    """
    _check_installed()
    from z1.recipe import Deployment
    from z1.serving.cluster import Cluster, connect
    from z1.serving.rollout import roll_back

    cluster = Cluster(connect(kubeconfig, context, server), namespace or Deployment().namespace)
    done = roll_back(cluster, service, url, click.echo)
    click.echo(f"{done.service}: {done.version} is served at {done.url}, no more {done.before}")


COMMANDS = (deploy, rollback)
