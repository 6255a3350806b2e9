"""The commands on a registry: what it holds, where that came from, having it back."""

from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)
_REGISTRY = click.option(
    "--registry",
    envvar="Z1_REGISTRY",
    required=True,
    help="URL or folder of its Git repository. [Z1_REGISTRY]",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("name", required=False)
@_REGISTRY
@_JSON
def versions(name: str | None, registry: str, as_json: bool) -> None:
    """List what a registry holds, or all versions of NAME.

    Of a model it shows how much it gets right with how many thinking tokens, over its efforts if
    it has some, at the evaluation's first temperature. --json has all its figures.

    \b
    Example:
      z1 versions --registry git@example.com:models.git
      z1 versions z1-demo
    """
    import json

    from z1.versioning.lineage import to_json
    from z1.versioning.registry import open_registry
    from z1.versioning.tables import draw_versions
    from z1.versioning.versions import find_named, list_versions

    with open_registry(registry) as opened:
        found = [version for version in list_versions(opened) if version.active]
    chosen = find_named(found, name) if name else found
    if as_json:
        click.echo(json.dumps([to_json(version) for version in chosen], indent=1))
    else:
        draw_versions(chosen, newest_only=name is None)


@click.command()
@click.argument("version")
@_REGISTRY
@_JSON
def lineage(version: str, registry: str, as_json: bool) -> None:
    """Show what VERSION was made from, back to the problems, the teacher and the base model.

    VERSION is NAME@v3, NAME@latest or, by its stage, NAME#prod. As JSON it is a list: the version,
    then each of its ancestors once, with its content's address in S3 and its own parents.

    \b
    Example:
      z1 lineage z1-demo@v3
    """
    import json

    from z1.versioning.lineage import list_ancestors, to_json
    from z1.versioning.registry import open_registry
    from z1.versioning.tables import draw_lineage
    from z1.versioning.versions import find_version, list_versions

    with open_registry(registry) as opened:
        found = list_versions(opened)
    ancestors = list_ancestors(found, find_version(found, version))
    if as_json:
        click.echo(json.dumps([to_json(each) for each in ancestors], indent=1))
    else:
        draw_lineage(ancestors)


@click.command()
@click.argument("version")
@click.argument("folder", type=_FOLDER)
@_REGISTRY
def pull(version: str, folder: Path, registry: str) -> None:
    """Bring VERSION to FOLDER, byte for byte as its step wrote it.

    A pull that was cut off goes on where it was. VERSION is as for `z1 lineage`.

    \b
    Example:
      z1 pull z1-demo/subset@v3 subset
    """
    from z1.versioning.pulling import pull
    from z1.versioning.registry import open_registry
    from z1.versioning.versions import find_version, list_versions

    with open_registry(registry) as opened:
        found = find_version(list_versions(opened), version)
        pull(opened, found, folder)
    click.echo(f"{folder}: {found}")


@click.command()
@click.argument("version")
@click.option("--stage", required=True, help="Such as prod; any word of letters and digits.")
@_REGISTRY
def promote(version: str, stage: str, registry: str) -> None:
    """Put VERSION into a stage, in which each name has one version at a time.

    VERSION is as for `z1 lineage`; NAME#prod is then the version in the stage prod.

    \b
    Example:
      z1 promote z1-demo@v3 --stage prod
    """
    from z1.versioning.registry import open_registry
    from z1.versioning.versions import promote

    with open_registry(registry) as opened:
        found, before = promote(opened, version, stage)
    if before == found:
        click.echo(f"{found} is {stage} already")
    else:
        click.echo(f"{found} is {stage} now" + (f", in place of {before}" if before else ""))


COMMANDS = (versions, lineage, pull, promote)
