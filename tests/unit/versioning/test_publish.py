"""Publishing a small run to a real Git repository and a real S3 server, and having it back."""

import filecmp
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from z1.cli import main
from z1.errors import InputError
from z1.recipe import Publish, Recipe, Teacher, load_recipe, write_recipe
from z1.stages import Work, read_record, run_stage
from z1.stages.publish import artifact_name, collect
from z1.tiny import MODEL
from z1.versioning import connection, local, manifest, publishing, registry
from z1.versioning.connection import parse_address
from z1.versioning.content import digest_content

BIN = Path(sys.executable).parent
ANCESTORS = [
    "problems",
    "seed-replies",
    "seed-verdicts",
    "seed",
    "tag",
    "replies",
    "verdicts",
    "shortest",
]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([BIN / "dvc", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _alone(server, environment, monkeypatch):
    """Nobody's settings, and parts as large as those of other processes."""
    monkeypatch.delenv("AWS_CONFIG_FILE")  # a device is no such file to DVC
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    monkeypatch.setattr(manifest, "PART_BYTES", 16 * 2**20)


@pytest.fixture(scope="module")
def recipe(demo: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The demo's recipe on sums from a file, with few replies and steps."""
    folder = tmp_path_factory.mktemp("recipe")
    rows = [{"prompt": f"{i} + 13", "answer": i + 13, "verifier": "math"} for i in range(10, 70)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = demo.model_dump(mode="json") | {"name": "mine"}
    splits = {"evaluation": 0.2, "seed": 0.3, "train": 0.4, "iteration": 0.1}
    source = {"kind": "file", "path": "sums.jsonl"}
    content["problems"] = {"sources": [source], "splits": splits}
    for section in ("tag", "tops"):
        content["train"][section].update(batch_size=8, device_batch_size=8, epochs=1)
    for sampling in (content["generate"], content["evaluate"]["sampling"]):
        sampling["max_tokens"] = 24
    content["evaluate"].update(seeds=[1], greedy=False, budgets=[], resamples=100)
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    return load_recipe(folder / "mine.yaml")


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the steps up to the thinking-optimal model and its evaluation wrote."""
    folder = tmp_path_factory.mktemp("run")

    def do(stage: str, section: str, step: str, *inputs: str, **options: str) -> None:
        given = {}
        for text in inputs:
            name, _, path = text.partition("=")
            given[name] = folder / (path or name)
        run_stage(stage, recipe, section, given, folder / step, options)

    do("problems", "problems", "problems")
    do("generate", "teacher", "seed-replies", "problems", split="seed", efforts="all")
    do("verify", "verify", "seed-verdicts", "problems", "replies=seed-replies")
    do("select", "select", "seed", "problems", "replies=seed-verdicts", rule="seed")
    do("sft", "train.tag", "tag", "examples=seed")
    do("generate", "generate", "replies", "problems", "model=tag", split="train", efforts="all")
    do("verify", "verify", "verdicts", "problems", "replies")
    pool = ("problems", "replies=verdicts", "seed")
    do("select", "select", "shortest", *pool, rule="shortest")
    do("sft", "train.tops", "tops", "examples=shortest")
    do("evaluate", "evaluate", "evaluate", "problems", "tag", "tops")
    return folder


@pytest.fixture(scope="module")
def template(environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository, set up as the README says."""
    folder = tmp_path_factory.mktemp("registry")
    git(folder, "init", "--quiet", "--bare", "registry.git")
    git(folder, "clone", "--quiet", "registry.git", "clone")
    clone = folder / "clone"
    dvc(clone, "init", "--quiet")
    dvc(clone, "remote", "add", "--default", "storage", f"s3://{local.BUCKET}/models")
    (clone / "dvc.yaml").write_text("# ours\nartifacts:\n  other: {path: other}\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Start of the registry")
    git(clone, "push", "--quiet", "origin", "HEAD")
    return folder / "registry.git"


def publish(recipe: Recipe, run: Path, url: Path | str | None, output: Path, **more: Any) -> Any:
    """Run the stage on all outputs there are; return its record."""
    inputs = {path.parent.name: path.parent for path in run.glob("*/stage.json")}
    inputs |= more.pop("inputs", {})
    section = Publish(registry=url and str(url), **more)
    recipe = recipe.model_copy(update={"publish": section})
    return run_stage("publish", recipe, "publish", inputs, output / "publish")


@pytest.fixture(scope="module")
def published(recipe, run, template, tmp_path_factory):
    """A registry with the run in it; only read by tests."""
    folder = tmp_path_factory.mktemp("published")
    url = folder / "registry.git"
    shutil.copytree(template, url)
    publish(recipe, run, url, folder)
    return url


@pytest.fixture
def url(template, tmp_path) -> Path:
    """A registry of the test's own, with nothing in it yet."""
    return Path(shutil.copytree(template, tmp_path / "registry.git"))


@pytest.fixture
def filled(published, tmp_path) -> Path:
    """A registry of the test's own, with the run in it."""
    return Path(shutil.copytree(published, tmp_path / "registry.git"))


def retrain(run: Path, folder: Path, seed: str, step: str) -> Path:
    """Copy a run as if another training, of another seed, had made the model of a step."""
    shutil.copytree(run, folder)
    with (folder / step / "chat_template.jinja").open("a") as template:
        template.write(seed)
    digest = digest_content(folder / step)
    edit_record(folder / step, key=seed * 64, digest=digest)
    if step in ("tag", "tops"):
        record = read_record(folder / "evaluate")
        for parent in record["parents"]:
            if parent["step"] == step:
                parent |= {"key": seed * 64, "digest": digest}
        edit_record(folder / "evaluate", **record)
    return folder


def edit_record(folder: Path, **fields: Any) -> None:
    """Change what a record says."""
    record = read_record(folder) | fields
    (folder / "stage.json").write_text(json.dumps(record))


def flip(path: Path) -> None:
    """Change a file's last byte."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def gather(recipe: Recipe, run: Path, **other: Path) -> dict[str, Any]:
    """Return what would be published of a run, by name; some inputs may be from elsewhere."""
    inputs = {path.parent.name: path.parent for path in run.glob("*/stage.json")} | other
    work = Work(recipe, Publish(registry="here"), inputs, {}, Path("publish"), "publish")
    return {artifact.name: artifact for artifact in collect(work)}


def z1(url: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--registry", str(url)])


def lineage(url: Path, version: str) -> dict[str, Any]:
    """Return what `z1 lineage --json` says of a version and its ancestors."""
    done = z1(url, "lineage", version, "--json")
    assert done.exit_code == 0, done.output
    return {each["version"]: each for each in json.loads(done.stdout)}


def differences(first: Path, second: Path) -> list[str]:
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (first, second)
    ]
    _, different, odd = filecmp.cmpfiles(first, second, names[0] & names[1], shallow=False)
    return sorted([*(names[0] ^ names[1]), *different, *odd])


def test_every_ancestor_is_named_and_comes_back_byte_for_byte(run, published, tmp_path):
    found = lineage(published, "mine@v1")
    names = ["mine", "mine/base", *(f"mine/{step}" for step in ANCESTORS)]
    assert sorted(found) == sorted(f"{name}@v1" for name in names)
    assert next(iter(found)) == "mine@v1"
    for version, known in found.items():
        assert z1(published, "pull", version, tmp_path / known["step"]).exit_code == 0
        source = MODEL if known["step"] == "base" else run / known["step"]
        assert differences(tmp_path / known["step"], source) == []
    parents = {parent["version"] for parent in found["mine/shortest@v1"]["parents"]}
    assert parents == {"mine/verdicts@v1", "mine/problems@v1", "mine/seed@v1"}
    assert found["mine/seed-replies@v1"]["origins"] == {"teacher": "scripted, slip 0.01"}
    # Pulled outputs are as good as the steps' own: nothing is made again from them.
    again = tmp_path / "shortest" / "stage.json"
    assert again.read_bytes() == (run / "shortest" / "stage.json").read_bytes()


def test_the_registry_holds_recipe_and_figures_in_one_commit(recipe, run, published):
    assert git(published, "log", "--format=%s").splitlines()[1:] == ["Start of the registry"]
    tag = "mine@v1.0.0"
    text = git(published, "show", f"{tag}:mine/recipe.yaml")
    assert yaml.safe_load(text)["train"] == yaml.safe_load(write_recipe(recipe))["train"]
    metrics = json.loads(git(published, "show", f"{tag}:mine/metrics.json"))
    report = json.loads((run / "evaluate" / "report.json").read_text())
    row = next(row for row in report["models"] if row["name"] == "tops")
    assert metrics["evaluation"]["temperature 1"]["accuracy"] == row["accuracy"]
    listed = git(published, "show", f"{tag}:dvc.yaml")
    assert listed.startswith("# ours\n")
    artifacts = yaml.safe_load(listed)["artifacts"]
    assert artifacts["mine"] == {"path": "mine/data", "type": "model"}
    assert artifacts["mine/shortest"] == {"path": "mine/shortest/data", "type": "dataset"}
    assert artifacts["other"] == {"path": "other"}


def test_a_content_is_a_plain_folder_at_its_address(run, published, server):
    address = lineage(published, "mine@v1")["mine@v1"]["content"]
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    found = server.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]
    names = {each["Key"].removeprefix(f"{prefix}/") for each in found}
    assert names == {path.name for path in (run / "tops").iterdir()} - {"stage.json"}


def test_the_lineage_is_drawn_as_a_tree(published):
    shown = z1(published, "lineage", "mine@v1").output
    lines = [line.lstrip("│├└─ ") for line in shown.splitlines()]
    assert any(re.match(r"mine@v1  model; \d+ examples; [\d.]+% right at", line) for line in lines)
    assert any(line.startswith("mine/tag@v1  model; ") for line in lines)
    assert "teacher: scripted, slip 0.01" in lines
    assert sum(line.startswith("mine/problems@v1  dataset; 60 problems") for line in lines) == 1
    assert "mine/problems@v1, as above" in lines


def test_dvc_brings_the_same_bytes(run, published, tmp_path):
    content = tmp_path / "content"
    shutil.copytree(run / "tops", content, ignore=shutil.ignore_patterns("stage.json"))
    revision = ("--rev", "mine@v1.0.0")
    dvc(tmp_path, "get", f"file://{published}", "mine/data", *revision, "--out", "got")
    assert differences(tmp_path / "got", content) == []
    git(tmp_path, "clone", "--quiet", str(published), "clone")
    dvc(tmp_path / "clone", "pull", "mine/data.dvc", "mine/shortest/data.dvc")
    assert differences(tmp_path / "clone" / "mine" / "data", content) == []
    pulled = differences(tmp_path / "clone" / "mine" / "shortest" / "data", run / "shortest")
    assert pulled == ["stage.json"]


def test_a_version_is_a_row_with_the_range_of_its_efforts(run, published):
    shown = z1(published, "versions").output.splitlines()
    assert len(shown) == 1 + len(ANCESTORS) + 2
    rows = {line.split()[0]: line for line in shown}
    report = json.loads((run / "evaluate" / "report.json").read_text())
    tag = sorted(row["accuracy"] for row in report["models"] if row["name"] == "tag")
    assert "mine@v1" in rows
    least, most = (f"{accuracy:.1%}" for accuracy in (tag[0], tag[-1]))
    span = least if least == most else f"{least} to {most}"
    assert f" model    {span} right at " in rows["mine/tag@v1"]
    assert " dataset  60 problems " in rows["mine/problems@v1"]


def test_a_record_tells_of_each_ancestor_once(run):
    record = json.loads((run / "evaluate" / "stage.json").read_text())

    def keys(record: dict[str, Any]) -> list[str]:
        inner = [key for parent in record["parents"] for key in keys(parent)]
        return [record["key"], *inner] if "stage" in record else inner

    inputs = [parent["key"] for parent in record["parents"]]
    told = keys(record)
    assert all(told.count(key) == 1 for key in told if key not in inputs)
    assert all(told.count(key) <= 2 for key in inputs)
    # Nothing is lost by it: the report's list of stages has all of the run's.
    report = json.loads((run / "evaluate" / "report.json").read_text())
    assert {stage["name"] for stage in report["stages"]} >= {*ANCESTORS, "tops"}


def test_what_is_published_keeps_its_version_and_what_changed_gets_the_next(
    recipe, run, filled, tmp_path, capsys
):
    url = filled
    refs = git(url, "for-each-ref")
    again = publish(recipe, run, url, tmp_path / "again")
    assert (again["kept"], again["unit"]) == (len(ANCESTORS) + 2, "versions")
    assert again["details"]["new"] == []
    assert git(url, "for-each-ref") == refs
    other = retrain(run, tmp_path / "other", "b", "tops")
    capsys.readouterr()
    assert publish(recipe, other, url, tmp_path)["details"]["new"] == ["mine@v2"]
    made = [line for line in capsys.readouterr().out.splitlines() if "@" in line]
    assert made == [f"mine@v2 {lineage(url, 'mine@v2')['mine@v2']['content']}"]
    assert publish(recipe, run, url, tmp_path / "back")["details"]["new"] == []
    found = lineage(url, "mine@v2")
    assert set(found) - {"mine@v2"} == {
        "mine/base@v1",
        *(f"mine/{step}@v1" for step in ANCESTORS),
    }
    assert differences(tmp_path / "other" / "tops", pull(url, "mine@latest", tmp_path)) == []
    assert differences(run / "tops", pull(url, "mine@v1", tmp_path)) == []
    versions = tmp_path / "publish" / "versions.json"
    assert json.loads(versions.read_text())["versions"]["tops"]["version"] == "mine@v2"
    # Another model of the run, and its ancestor under the name of its step.
    tag = publish(recipe, run, url, tmp_path / "tag", model="tag")
    assert tag["details"]["new"] == ["mine@v3"]
    assert z1(url, "pull", "mine@v3", tmp_path / "tagged").exit_code == 0
    assert differences(tmp_path / "tagged", run / "tag") == []


def pull(url: Path, version: str, folder: Path) -> Path:
    target = folder / version.replace("/", "-")
    done = z1(url, "pull", version, target)
    assert done.exit_code == 0, done.output
    return target


def test_two_publishers_at_once_both_succeed(recipe, run, url, tmp_path):
    section = Publish(registry=str(url), model="tag")
    text = write_recipe(recipe.model_copy(update={"publish": section}))
    (tmp_path / "mine.yaml").write_text(text)
    publishers = []
    for seed in "cd":
        steps = retrain(run, tmp_path / seed, seed, "tag")
        command = [sys.executable, "-m", "z1.cli", "stage", "publish"]
        command += ["--recipe", str(tmp_path / "mine.yaml"), "--section", "publish"]
        for path in steps.glob("*/stage.json"):
            command += ["--input", f"{path.parent.name}={path.parent}"]
        command += ["--output", str(tmp_path / f"published-{seed}")]
        pipe = subprocess.PIPE
        publishers.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
    for publisher in publishers:
        _, errors = publisher.communicate()
        assert publisher.returncode == 0, errors
    got = {}
    for seed in "cd":
        outcome = json.loads((tmp_path / f"published-{seed}" / "versions.json").read_text())
        got[seed] = outcome["versions"]["tag"]["version"]
        assert differences(pull(url, got[seed], tmp_path), tmp_path / seed / "tag") == []
        assert "mine/seed@v1" in lineage(url, got[seed])  # the other's is the same
    assert sorted(got.values()) == ["mine@v1", "mine@v2"]


def test_a_refused_push_leaves_nothing_and_is_finished_by_a_second_try(
    recipe, run, url, tmp_path, monkeypatch
):
    monkeypatch.setattr(registry, "_PAUSE", 0.0)
    refs = git(url, "for-each-ref")
    hook = url / "hooks" / "update"  # is asked for each branch and tag
    hook.write_text('#!/bin/sh\ncase $1 in *seed-replies*) echo "not today" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    with pytest.raises(InputError, match="not today") as caught:
        publish(recipe, run, url, tmp_path, model="tag")
    assert "Nothing was changed there" in str(caught.value)
    assert git(url, "for-each-ref") == refs
    hook.unlink()
    record = publish(recipe, run, url, tmp_path, model="tag")
    assert record["details"]["new"][-1] == "mine@v1"


def test_a_server_that_is_gone_leaves_nothing_published(
    recipe, run, url, tmp_path, server, monkeypatch
):
    refs = git(url, "for-each-ref")
    server.kill()
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    other = retrain(run, tmp_path / "other", "e", "tag")
    with pytest.raises(InputError, match="cannot be reached"):
        publish(recipe, other, url, tmp_path, model="tag")
    assert git(url, "for-each-ref") == refs
    server.start()
    monkeypatch.setattr(connection, "PATIENCE", 300.0)
    assert "mine@v1" in publish(recipe, other, url, tmp_path, model="tag")["details"]["new"]


@pytest.mark.parametrize(
    ("step", "name"), [("tops", "model.safetensors"), ("shortest", "part-00000.parquet")]
)
def test_what_was_changed_after_its_step_made_it_is_refused(
    recipe, run, filled, tmp_path, step, name
):
    other = Path(shutil.copytree(run, tmp_path / "other"))
    flip(other / step / name)
    refs = git(filled, "for-each-ref")
    with pytest.raises(InputError, match=f"{step}: was changed after its step had made it"):
        publish(recipe, other, filled, tmp_path)
    assert git(filled, "for-each-ref") == refs


def test_what_was_not_made_from_what_is_given_is_refused(recipe, run, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "other"))
    for step, child in [("seed", "(tag|shortest)"), ("tops", "evaluate")]:
        edit_record(other / step, digest="0" * 64)  # run again, and not quite the same came of it
        with pytest.raises(InputError, match=rf"{child}.* another .*{step}"):
            gather(recipe, run, **{step: other / step})
    with pytest.raises(InputError, match=r"'tops': .*/tag was made by the step 'tag'"):
        gather(recipe, run, tops=run / "tag")
    flip(other / "evaluate" / "report.json")
    with pytest.raises(InputError, match="evaluate: was changed after"):
        gather(recipe, run, evaluate=other / "evaluate")
    (other / "tag" / "stage.json").unlink()
    with pytest.raises(InputError, match=r"tag has no stage\.json"):
        publish(recipe, run, "here", tmp_path, model="tag", inputs={"tag": other / "tag"})


def test_a_base_that_was_changed_after_the_training_is_refused(recipe, run, tmp_path):
    known = read_record(run / "tops")["models"]["tiny"]
    base = Path(shutil.copytree(MODEL, tmp_path / "base"))
    own = Path(shutil.copytree(run, tmp_path / "own"))
    for step in ("tag", "tops"):
        edit_record(own / step, models={str(base): known})
    model = recipe.model.model_copy(update={"path": str(base)})
    other = recipe.model_copy(update={"model": model})
    assert gather(other, own)["mine/base"].folder == base
    flip(base / "config.json")
    with pytest.raises(InputError, match="base: the base was changed after it was used"):
        gather(other, own)


def test_an_ancestor_without_a_record_is_published_with_a_warning(recipe, run, tmp_path, capsys):
    """Problems of one's own, say."""
    own = Path(shutil.copytree(run, tmp_path / "own"))
    (own / "problems" / "stage.json").unlink()
    key = read_record(own / "problems")["key"]
    for path in own.glob("*/stage.json"):
        parents = read_record(path.parent)["parents"]
        for parent in parents:
            if parent["step"] == "problems":
                parent.pop("digest")
                parent["key"] = key
        edit_record(path.parent, parents=parents)
    found = gather(recipe, own, problems=own / "problems")
    assert found["mine/problems"].parents == ()
    assert re.fullmatch(r"warning: .*problems has no stage.json: .*\n", capsys.readouterr().out)


def test_publishing_looks_at_registry_and_server_each_time(
    recipe, run, url, template, tmp_path, monkeypatch
):
    first = publish(recipe, run, url, tmp_path, model="tag")
    shutil.rmtree(url)
    shutil.copytree(template, url)
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "describe", None)  # nothing has changed, so nothing is read
        again = publish(recipe, run, url, tmp_path, model="tag")
    assert again["details"] == first["details"]
    assert "mine/seed@v1" in lineage(url, "mine@v1")
    written = (tmp_path / "publish" / "versions.json").read_text()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match="refuses access"):
        publish(recipe, run, url, tmp_path, model="tag")
    assert (tmp_path / "publish" / "versions.json").read_text() == written


def test_what_was_lost_in_s3_is_brought_there_again(recipe, run, filled, server, tmp_path):
    refs = git(filled, "for-each-ref")
    known = lineage(filled, "mine@v1")
    model, seed = (parse_address(known[v]["content"]) for v in ("mine@v1", "mine/seed@v1"))
    client = server.client()
    client.delete_object(Bucket=model.bucket, Key=model.key_of("model.safetensors"))
    client.put_object(Bucket=model.bucket, Key=model.key_of("config.json"), Body=b"{")
    client.put_object(Bucket=seed.bucket, Key=seed.manifest, Body=b"{")
    assert z1(filled, "pull", "mine@v1", tmp_path / "lost").exit_code == 2
    assert publish(recipe, run, filled, tmp_path)["details"]["new"] == []
    assert git(filled, "for-each-ref") == refs
    assert differences(run / "tops", pull(filled, "mine@v1", tmp_path)) == []
    assert differences(run / "seed", pull(filled, "mine/seed@v1", tmp_path)) == []


def test_a_model_evaluated_again_gets_a_version_with_the_new_figures(recipe, run, filled, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "other"))
    report = json.loads((other / "evaluate" / "report.json").read_text())
    for row in report["models"]:
        row["accuracy"] = 0.125
    (other / "evaluate" / "report.json").write_text(json.dumps(report))
    edit_record(other / "evaluate", digest=digest_content(other / "evaluate"))
    # Its ancestors have been tested too, but nothing would be made from a new version of theirs.
    assert publish(recipe, other, filled, tmp_path)["details"]["new"] == ["mine@v2"]
    known = lineage(filled, "mine@v2") | lineage(filled, "mine@v1")
    new, old = known["mine@v2"], known["mine@v1"]
    assert (new["content"], new["parents"]) == (old["content"], old["parents"])
    way = "temperature 1"
    assert new["metrics"]["evaluation"][way]["accuracy"] == 0.125
    assert old["metrics"]["evaluation"][way]["accuracy"] != 0.125
    for each in (other, run):
        assert publish(recipe, each, filled, tmp_path)["details"]["new"] == []


def test_what_a_registry_ignores_is_published_all_the_same(recipe, run, url, tmp_path):
    git(tmp_path, "clone", "--quiet", str(url), "clone")
    (tmp_path / "clone" / ".gitignore").write_text("*.json\n*.yaml\nmine\n")
    git(tmp_path / "clone", "add", "--all")
    git(tmp_path / "clone", "commit", "--quiet", "--message", "Ignore much")
    git(tmp_path / "clone", "push", "--quiet")
    publish(recipe, run, url, tmp_path)
    assert {f"mine/{step}@v1" for step in ANCESTORS} <= set(lineage(url, "mine@v1"))


def test_a_version_whose_tag_is_gone_is_published_again(recipe, run, filled, tmp_path):
    git(filled, "tag", "--delete", "mine@v1.0.0")
    publish(recipe, run, filled, tmp_path)
    assert "mine@v1" in lineage(filled, "mine@v1")


def test_a_pull_into_the_current_folder(run, published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = z1(published, "pull", "mine@v1", ".")
    assert done.exit_code == 0, done.output
    assert not differences(run / "tops", tmp_path)


def test_without_a_registry_nothing_is_published(recipe, run, tmp_path):
    record = publish(recipe, run, None, tmp_path)
    assert (record["kept"], record["unit"]) == (0, "versions")
    assert json.loads((tmp_path / "publish" / "versions.json").read_text())["versions"] == {}


def test_what_makes_a_repository_a_registry_is_told(recipe, run, tmp_path):
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    with pytest.raises(InputError, match="no default DVC remote on S3") as caught:
        publish(recipe, run, tmp_path / "empty.git", tmp_path)
    assert "dvc remote add --default" in str(caught.value)


def test_a_missing_ancestor_is_named(recipe, run, published, tmp_path):
    section = recipe.model_copy(update={"publish": Publish(registry=str(published))})
    inputs = {path.parent.name: path.parent for path in run.glob("*/stage.json")}
    del inputs["verdicts"]
    with pytest.raises(InputError, match="give it as the input 'verdicts'"):
        run_stage("publish", section, "publish", inputs, tmp_path / "publish")
    del inputs["tops"]
    with pytest.raises(InputError, match="needs the input 'tops'"):
        run_stage("publish", section, "publish", inputs, tmp_path / "publish")


def test_a_stage_has_one_version_at_a_time(recipe, run, filled, tmp_path):
    url = filled
    publish(recipe, retrain(run, tmp_path / "other", "f", "tops"), url, tmp_path)
    said = [
        z1(url, "promote", version, "--stage", "prod").output
        for version in ("mine@v2", "mine@v1", "mine@v1.0.0", "mine@v2")
    ]
    assert said == [
        "mine@v2 is prod now\n",
        "mine@v1 is prod now, in place of mine@v2\n",
        "mine@v1 is prod already\n",
        "mine@v2 is prod now, in place of mine@v1\n",
    ]
    assert next(iter(lineage(url, "mine#prod"))) == "mine@v2"
    rows = json.loads(z1(url, "versions", "mine", "--json").stdout)
    assert [(row["version"], row["stages"]) for row in rows] == [
        ("mine@v2", ["prod"]),
        ("mine@v1", []),
    ]
    assert "mine@v2" in z1(url, "versions").output
    shown = subprocess.run(
        [BIN / "gto", "show", "--repo", url, "mine#prod", "--json"], capture_output=True, check=True
    )
    assert json.loads(shown.stdout)[0]["version"] == "v2.0.0"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["lineage", "yours@v1"], "it has mine, mine/base, mine/problems"),
        (["lineage", "mine@v7"], "it has mine@v1"),
        (["pull", "mine#prod", "there"], "it has mine@v1"),
        (["lineage", "mine"], "write NAME@v3"),
        (["versions", "yours"], "nothing of this name"),
        (["promote", "mine@v1", "--stage", "a b"], "Only letters, numbers"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(published, command, reason):
    done = z1(published, *command)
    assert done.exit_code == 2
    assert reason in done.stderr.replace("\n", " ")


def test_a_pull_replaces_nothing_and_may_be_repeated(published, tmp_path):
    target = pull(published, "mine/seed@v1", tmp_path)
    assert z1(published, "pull", "mine/seed@v1", target).exit_code == 0
    (target / "stage.json").write_text("{}")
    done = z1(published, "pull", "mine/seed@v1", target)
    assert done.exit_code == 2
    assert "remove or rename it" in done.stderr
    assert (target / "stage.json").read_text() == "{}"
    assert list(tmp_path.iterdir()) == [target]
    below = z1(published, "pull", "mine/seed@v1", target / "stage.json" / "below")
    assert (below.exit_code, "cannot be written" in below.stderr) == (2, True)


def test_models_from_outside_are_named_or_published_too(recipe, run, tmp_path):
    hub = recipe.model.model_copy(update={"path": "some/base", "revision": "v2"})
    teacher = Teacher(engine="transformers", model=str(MODEL), sampling=recipe.generate)
    other = recipe.model_copy(update={"model": hub, "teacher": teacher})
    found = gather(other, run)
    assert found["mine"].origins == found["mine/tag"].origins == {"base": "some/base at v2"}
    assert found["mine/seed-replies"].parents == ("mine/problems", "mine/teacher")
    assert (found["mine/teacher"].kind, found["mine/teacher"].folder) == ("model", MODEL)
    assert "mine/base" not in found
    assert list(found)[-1] == "mine"
    # The commits that the steps found in their caches.
    own = Path(shutil.copytree(run, tmp_path / "own"))
    commits = {"some/base": "b" * 40, "some/teacher": "c" * 40}
    for step in ("tops", "seed-replies"):
        edit_record(own / step, models=commits)
    teacher = teacher.model_copy(update={"model": "some/teacher"})
    found = gather(other.model_copy(update={"teacher": teacher}), own)
    assert found["mine"].origins == {"base": f"some/base at v2, {'b' * 40}"}
    assert found["mine/seed-replies"].origins == {"teacher": f"some/teacher at {'c' * 40}"}


def test_a_dot_in_a_recipes_name_becomes_what_gto_takes():
    assert artifact_name("tops-qwen2.5-32b", "seed") == "tops-qwen2_5-32b/seed"
