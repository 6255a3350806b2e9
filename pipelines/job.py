"""A recipe made ready for a cluster, as ``z1 submit`` and ``z1 schedule`` need it.

Everything that can be wrong is looked for before the server is asked for anything.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import json_format

from z1.errors import InputError
from z1.recipe import Recipe, find_local_paths, load_recipe
from z1_pipelines.choosing import find_pipeline
from z1_pipelines.compiling import compile_pipeline
from z1_pipelines.server import Server, ServerError, ask, list_all, named


class Job(NamedTuple):
    """What is to run on a cluster."""

    name: str
    """The recipe's."""
    pipeline: str
    """Name of its pipeline."""
    package: str
    """The compiled pipeline."""
    parameters: dict[str, Any]
    account: str
    """The Kubernetes service account of its pods; a roll-out needs one with more rights."""
    steps: dict[str, str]
    """Each step's name, by what a server may call it: its task in the pipeline, or itself."""

    @property
    def version(self) -> str:
        """Name of the pipeline's version: it is the same exactly if the package is."""
        return f"sha256-{hashlib.sha256(self.package.encode()).hexdigest()[:16]}"


def prepare(
    path: Path,
    settings: Iterable[tuple[str, str]] = (),
    find: Callable[[Recipe], Any] | None = None,
    account: str | None = None,
) -> Job:
    """Compile a recipe's pipeline, or another that ``find`` finds for it.

    ``settings`` are further parameters of it, as text.

    Raises InputError if the recipe is wrong or names files of this machine, or the pipeline has no
    such parameters.
    """
    recipe = load_recipe(path, runs_here=False)
    if local := list(find_local_paths(recipe)):
        lines = [f"{path}: a cluster does not have the files of this machine that these keys name"]
        lines += [f"  {key}: {value}" for key, value in local]
        lines.append("name datasets and models on the Hugging Face hub instead")
        raise InputError("\n".join(lines))
    pipeline = (find or find_pipeline)(recipe)
    spec = json_format.MessageToDict(pipeline.pipeline_spec)
    root = spec["root"]
    declared = root.get("inputDefinitions", {}).get("parameters", {})
    values = read_settings(settings, declared)
    _check_copies(recipe, values, declared)
    parameters = {"recipe": path.read_text(encoding="utf-8"), **values}
    steps = dict(_list_steps(spec, root))
    return Job(
        name=recipe.name,
        pipeline=pipeline.name,
        package=compile_pipeline(pipeline),
        parameters=parameters,
        account=account or ("z1-deploy" if recipe.deploy else "z1-steps"),
        steps={step: step for step in steps.values()} | steps,
    )


def _check_copies(
    recipe: Recipe, values: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise InputError if a copy of a model needs more accelerators than a step is given."""
    name = "sampling_accelerators"
    given = values.get(name, declared.get(name, {}).get("defaultValue", ""))
    if not str(given).isdecimal():
        return  # another pipeline than z1's own, or the cluster says what is wrong
    for key, sampling in recipe.samplings().items():
        if sampling.engine == "vllm" and sampling.tensor_parallel > int(given):
            needed = sampling.tensor_parallel
            raise InputError(
                f"{key}.tensor_parallel is {needed}, but {name} is {given}: --set {name}={needed}"
            )


def _list_steps(spec: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the task and name of each step, also of those that are done on a condition."""
    for name, task in part["dag"]["tasks"].items():
        component = spec["components"][task["componentRef"]["name"]]
        if "dag" in component:
            yield from _list_steps(spec, component)
        else:
            yield name, task.get("taskInfo", {}).get("name", name)


def place(server: Server, job: Job, experiment: str, root: str | None) -> dict[str, Any]:
    """Put the pipeline and the experiment on the server, where they are not there yet.

    Returns what the bodies of a run and of a recurring run have in common. Raises ServerError.
    """
    config: dict[str, Any] = {"parameters": job.parameters}
    if root:
        config["pipeline_root"] = root
    return {
        "pipeline_version_reference": _upload(server, job),
        "experiment_id": _ensure_experiment(server, experiment),
        "runtime_config": config,
        "service_account": job.account,
    }


def read_settings(
    settings: Iterable[tuple[str, str]], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the parameters that settings name, as values of the types that the pipeline says."""
    free = sorted(set(declared) - {"recipe"})
    values = {}
    for name, text in settings:
        if name not in free:
            there = ", ".join(free) or "none"
            raise InputError(f"{name}: no parameter of the pipeline to set; there are: {there}")
        kind = declared[name]["parameterType"]
        try:
            values[name] = _PARSERS[kind](text)
        except ValueError as error:
            raise InputError(f"{name}: {text!r} is no {_KINDS[kind]}") from error
    needed = [name for name in free if not _has_default(declared[name])]
    if missing := [name for name in needed if name not in values]:
        raise InputError(f"the pipeline also needs --set {'=... --set '.join(missing)}=...")
    return values


def _has_default(parameter: Mapping[str, Any]) -> bool:
    return "defaultValue" in parameter or bool(parameter.get("isOptional"))


def _read_truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _reader(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return read


_PARSERS: dict[str, Callable[[str], Any]] = {
    "STRING": str,
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": float,
    "BOOLEAN": _read_truth,
    "LIST": _reader(list),
    "STRUCT": _reader(dict),
}
_KINDS = {
    "STRING": "text",
    "NUMBER_INTEGER": "whole number",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "true or false",
    "LIST": "list in JSON",
    "STRUCT": "object in JSON",
}


def _upload(server: Server, job: Job) -> dict[str, str]:
    """Return the ids of the pipeline and its version, which is uploaded if it is not there."""
    pipelines, whose = server.client.pipelines, {"namespace": server.namespace}

    def find_it() -> str | None:
        call = pipelines.pipeline_service_list_pipelines
        return _find(server, call, "pipelines", "pipeline_id", job.pipeline, **whose)

    def make_it() -> Any:
        body = {"name": job.pipeline, "display_name": job.pipeline, **_without_none(whose)}
        return ask(server, pipelines.pipeline_service_create_pipeline, pipeline=body)

    of = {"pipeline_id": _find_or_make(find_it, make_it, "pipeline_id")}

    def find_version() -> str | None:
        call = pipelines.pipeline_service_list_pipeline_versions
        return _find(server, call, "pipeline_versions", "pipeline_version_id", job.version, **of)

    def make_version() -> Any:
        call = server.client.pipeline_uploads.upload_pipeline_version
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            path.write_text(job.package, encoding="utf-8")
            upload = {"name": job.version, "pipelineid": of["pipeline_id"]}
            return ask(server, call, uploadfile=str(path), **upload)

    version = _find_or_make(find_version, make_version, "pipeline_version_id")
    return {**of, "pipeline_version_id": version}


def _ensure_experiment(server: Server, name: str) -> str:
    """Return the id of the experiment of that name, which is made if it is not there."""
    experiments, whose = server.client.experiments, _without_none({"namespace": server.namespace})

    def find_it() -> str | None:
        call = experiments.experiment_service_list_experiments
        found = list(list_all(server, call, "experiments", filter=named(name), **whose))
        if any(experiment.get("storage_state") == "ARCHIVED" for experiment in found):
            raise InputError(
                f"experiment {name!r} is archived: restore it on {server.page}, or give another "
                "one with --experiment"
            )
        return str(found[0]["experiment_id"]) if found else None

    def make_it() -> Any:
        call = experiments.experiment_service_create_experiment
        return ask(server, call, experiment={"display_name": name, **whose})

    return _find_or_make(find_it, make_it, "experiment_id")


def _find_or_make(find: Callable[[], str | None], make: Callable[[], Any], key: str) -> str:
    """Return the id of what is there, or else of what is made; others may make it meanwhile."""
    if found := find():
        return found
    try:
        return str(make()[key])
    except ServerError as error:
        if error.status == 409 and (found := find()):
            return found
        raise


def _find(
    server: Server, call: Callable[..., Any], key: str, id_key: str, name: str, **arguments: Any
) -> str | None:
    for item in list_all(server, call, key, filter=named(name), **_without_none(arguments)):
        return str(item[id_key])
    return None


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
