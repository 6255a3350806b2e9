from pathlib import Path

import pytest
import yaml

from z1.errors import InputError
from z1.recipe import find_recipe, load_recipe, parse_recipe, write_recipe

RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture
def content():
    return yaml.safe_load((RECIPES / "demo.yaml").read_text())


def test_every_mistake_is_named_at_once(content):
    content["sede"] = 1
    content["generate"]["max_tokens"] = "many"
    content["select"]["min_gap"] = -1
    del content["train"]["tag"]["epochs"]
    with pytest.raises(InputError) as caught:
        parse_recipe(content, "my.yaml", Path())
    message = str(caught.value)
    assert message.startswith("my.yaml: 4 mistake(s)")
    for key in ("sede: unknown key", "  generate.max_tokens", "select.min_gap", "train.tag.epochs"):
        assert key in message


def test_a_mistake_in_a_source_names_its_place(content):
    content["problems"]["sources"][1]["cuont"] = 3
    with pytest.raises(InputError, match=r"problems\.sources\.1\.cuont: unknown key"):
        parse_recipe(content, "my.yaml", Path())


@pytest.mark.parametrize(
    ("teacher", "needs"),
    [
        ({"engine": "file"}, "replies"),
        ({"engine": "transformers"}, "model"),
        ({"engine": "vllm", "model": "m"}, "sampling"),
        ({"engine": "vllm", "model": "m", "sampling": {"max_tokens": 9}}, "both the same"),
    ],
)
def test_a_teacher_without_what_it_needs_is_refused(content, teacher, needs):
    content["teacher"] = teacher
    with pytest.raises(InputError, match=needs):
        parse_recipe(content, "my.yaml", Path())


def test_an_endpoint_needs_an_address(content):
    content["generate"]["engine"] = "endpoint"
    with pytest.raises(InputError, match="needs 'endpoint'"):
        parse_recipe(content, "my.yaml", Path())
    content["generate"]["endpoint"] = {"url": "localhost:8000"}
    with pytest.raises(InputError, match=r"generate\.endpoint\.url"):
        parse_recipe(content, "my.yaml", Path())
    content["generate"]["endpoint"]["url"] = "http://localhost:8000/v1"
    assert parse_recipe(content, "my.yaml", Path()).generate.endpoint.api == "completions"


def test_shares_beyond_the_whole_are_refused(content):
    content["problems"]["splits"]["train"] = 0.9
    with pytest.raises(InputError, match=r"add up to 1\.4"):
        parse_recipe(content, "my.yaml", Path())


def test_paths_are_taken_from_the_recipes_folder(content, tmp_path):
    content["problems"]["sources"] = [{"kind": "file", "path": "mine.jsonl"}]
    content["teacher"] = {"engine": "file", "replies": "replies.jsonl"}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        load_recipe(tmp_path / "r.yaml")
    assert f"problems.sources.0.path: there is no file {tmp_path}" in str(caught.value)
    assert "teacher.replies: there is no file" in str(caught.value)
    (tmp_path / "mine.jsonl").touch()
    (tmp_path / "replies.jsonl").touch()
    recipe = load_recipe(tmp_path / "r.yaml")
    assert recipe.problems.sources[0].path == tmp_path / "mine.jsonl"
    assert recipe.teacher.replies == tmp_path / "replies.jsonl"


def test_files_and_folders_that_are_not_there_are_named_with_the_other_mistakes(content, tmp_path):
    (tmp_path / "models").mkdir()
    content["model"] = {"path": "models/mine", "chat_template": "mine.jinja"}
    content["problems"]["sources"] = [{"kind": "file", "path": "mine.jsonl"}]
    content["seed"] = "high"
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        load_recipe(tmp_path / "r.yaml")
    lines = sorted(str(caught.value).splitlines()[1:])
    assert [line.split(":")[0].strip() for line in lines] == [
        "model.chat_template", "model.path", "problems.sources.0.path", "seed"
    ]  # fmt: skip
    assert lines[1].endswith(f"there is no folder {tmp_path / 'models' / 'mine'}")


@pytest.mark.parametrize(
    "path", ["./mine", "../mine", "/no/where", "~/no-such-model", "~nobody-here/mine", "a/b/c"]
)
def test_a_model_path_that_is_no_hub_id_must_be_a_folder(content, tmp_path, path):
    content["model"] = {"path": path}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"model\.path: there is no folder"):
        load_recipe(tmp_path / "r.yaml")


def test_hub_ids_and_folders_that_are_there_are_taken(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "mine").mkdir(parents=True)
    for path, taken in [
        ("gpt2", "gpt2"),
        ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"),
        ("tiny", "tiny"),
        ("~/mine", str(tmp_path / "home" / "mine")),
        ("./home/mine", str(tmp_path / "home" / "mine")),
    ]:
        content["model"] = {"path": path}
        (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
        assert load_recipe(tmp_path / "r.yaml").model.path == taken


def test_keys_that_stand_twice_are_named_with_their_lines(tmp_path):
    text = (RECIPES / "demo.yaml").read_text()
    sources = "# Said twice.\nproblems:\n  sources: []\n  sources: []\n"
    (tmp_path / "r.yaml").write_text(f"seed: 1\n{sources}{text}")
    with pytest.raises(InputError) as caught:
        load_recipe(tmp_path / "r.yaml")
    message = str(caught.value)
    assert "problems.sources: line 4 and line 5 both have this key" in message
    assert "  seed: line 1 and line " in message
    assert "  problems: line 3 and line " in message


def test_blank_prompts_are_refused(content):
    content["efforts"]["low"] = " \n"
    content["problems"]["sources"][0]["prompt"] = " "
    with pytest.raises(InputError) as caught:
        parse_recipe(content, "my.yaml", Path())
    assert "efforts.low: this is blank" in str(caught.value)
    assert "problems.sources.0.prompt: this is blank" in str(caught.value)


def test_what_is_no_recipe_is_one_clear_error(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(InputError, match="not YAML"):
        load_recipe(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(InputError, match=r"list\.yaml"):
        load_recipe(tmp_path / "list.yaml")
    with pytest.raises(InputError, match=r"nowhere.*demo"):
        find_recipe("nowhere")


def test_the_built_in_recipe_is_found_by_name():
    assert load_recipe(find_recipe("demo")).name == "demo"


def test_budgets_need_room_and_the_models_they_compare_with(content):
    parse_recipe(content, "my.yaml", Path())
    content["evaluate"]["budgets"] = [4, 248]
    with pytest.raises(InputError, match=r"248 tokens of thinking.*max_tokens, 256"):
        parse_recipe(content, "my.yaml", Path())
    content["evaluate"]["budgets"] = [-1]
    with pytest.raises(InputError, match=r"evaluate\.budgets\.0"):
        parse_recipe(content, "my.yaml", Path())
    content["evaluate"]["budgets"] = [4]
    del content["train"]["tops_tags"]
    with pytest.raises(InputError, match=r"train\.tops_tags"):
        parse_recipe(content, "my.yaml", Path())
    content["evaluate"]["budgets"] = []
    assert parse_recipe(content, "my.yaml", Path()).train.tops_tags is None


def test_models_of_the_budgets_are_trained_as_their_names_say(content):
    content["train"]["tops_stop"].pop("stop")
    with pytest.raises(InputError, match="'tops_stop' needs 'stop'"):
        parse_recipe(content, "my.yaml", Path())
    content["train"]["tops_stop"].update(stop={}, tags={})
    with pytest.raises(InputError, match="give one of them"):
        parse_recipe(content, "my.yaml", Path())


def test_each_method_says_what_it_needs_and_what_it_has_no_use_for(content):
    content["method"] = "z1"
    with pytest.raises(InputError, match=r"'z1' also needs train\.z1"):
        parse_recipe(content, "my.yaml", Path())
    content["train"]["z1"] = content["train"]["tops"]
    with pytest.raises(InputError, match=r"no use for efforts, generate, iterate, train\.tag"):
        parse_recipe(content, "my.yaml", Path())
    content["method"] = "tops"
    with pytest.raises(InputError, match=r"'tops' has no use for train\.z1"):
        parse_recipe(content, "my.yaml", Path())
    del content["train"]["z1"], content["generate"], content["train"]["tag"]
    with pytest.raises(InputError, match=r"'tops' also needs generate, train\.tag"):
        parse_recipe(content, "my.yaml", Path())


def test_questions_without_references_are_for_z1_alone(content):
    content["problems"]["sources"].append({"kind": "questions", "path": "some/dataset"})
    with pytest.raises(InputError, match="checks every reply"):
        parse_recipe(content, "my.yaml", Path())


@pytest.mark.parametrize("name", ["z1-demo", "z1-qwen2.5-coder-7b"])
def test_the_z1_recipes_are_found_by_name(name):
    recipe = load_recipe(find_recipe(name))
    assert (recipe.name, recipe.method) == (name, "z1")


def test_nothing_is_trained_on_a_benchmark(content):
    source = {"kind": "benchmark", "name": "math500"}
    content["problems"]["sources"].append(source)
    recipe = parse_recipe(content, "my.yaml", Path())
    assert recipe.problems.sources[-1].split == "evaluation"
    source["split"] = "train"
    with pytest.raises(InputError, match=r"problems\.sources\.5\.split: .*'evaluation'"):
        parse_recipe(content, "my.yaml", Path())


def test_a_benchmarks_copy_may_be_a_folder_and_a_file_may_not(content, tmp_path):
    content["problems"]["sources"].append({"kind": "benchmark", "name": "gsm8k", "path": "copy"})
    content["problems"]["decontaminate"] = {"against": [{"kind": "file", "path": "copy"}]}
    (tmp_path / "copy").mkdir()
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        load_recipe(tmp_path / "my.yaml")
    assert "1 mistake(s)" in str(caught.value)
    assert "problems.decontaminate.against.0.path: there is no file" in str(caught.value)


@pytest.mark.parametrize(
    ("baselines", "reason"),
    [
        ([{"name": "tops", "model": "m"}], "name of a model of the run"),
        ([{"name": "a/b", "model": "m"}], "pattern"),
        ([{"name": "a"}], "needs 'model', or 'endpoint'"),
        ([{"name": "a", "model": "m"}, {"name": "a", "model": "n"}], "name them apart"),
        ([{"name": "a", "endpoint": {"url": "http://h/v1"}}], "served_model"),
    ],
)
def test_a_wrong_baseline_is_refused(content, baselines, reason):
    content["evaluate"]["baselines"] = baselines
    with pytest.raises(InputError, match=rf"evaluate.*baselines.*{reason}"):
        parse_recipe(content, "my.yaml", Path())


def test_a_registry_is_a_url_or_a_folder_beside_the_recipe(content, tmp_path):
    path = tmp_path / "r.yaml"

    def load(registry):
        path.write_text(yaml.safe_dump(content | {"publish": {"registry": registry}}))
        return load_recipe(path).publish.registry

    urls = ["https://example.com/me/models.git", "git@example.com:me/models.git", "ssh://git@h/m"]
    for url in urls:
        assert load(url) == url
    with pytest.raises(InputError, match=rf"publish\.registry: there is no folder {tmp_path}"):
        load("models.git")
    (tmp_path / "models.git").mkdir()
    assert load("models.git") == str(tmp_path / "models.git")
    for secret in ("https://me:secret@h/m", "https://secret@h/m", "ssh://git:secret@h/m"):
        with pytest.raises(InputError, match="credential helpers") as caught:
            load(secret)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"publish": {"model": "z1"}}, "trains no model 'z1'"),
        ({"publish": {"model": "base"}}, r"publish\.model"),
        ({"publish": {"model": "tops-stop"}}, r"with evaluate\.budgets only"),
        ({"name": "mine-", "publish": {"registry": "a:b"}}, "end with a letter or digit"),
    ],
)
def test_what_cannot_be_published_is_refused(content, changes, reason):
    content["evaluate"]["budgets"] = []
    with pytest.raises(InputError, match=reason):
        parse_recipe(content | changes, "my.yaml", Path())


@pytest.mark.parametrize("model", ["tops-stop", "tops-tags"])
def test_what_no_gate_can_judge_is_not_published(content, model):
    content["publish"] = {"model": model, "registry": "models.git"}
    with pytest.raises(InputError, match=rf"publish\.model: '{model}' is tested within budgets"):
        parse_recipe(content, "my.yaml", Path())


@pytest.mark.parametrize(
    "address", ["bucket/prefix", "s3://", "s3://Bucket/x", "s3://bucket//x", "gs://bucket/x", ""]
)
def test_an_address_for_checkpoints_that_is_none_is_refused(content, address):
    content["checkpoints"] = address
    with pytest.raises(InputError, match=r"checkpoints: .*write s3://BUCKET/PREFIX"):
        parse_recipe(content, "my.yaml", Path())


def test_where_checkpoints_are_kept_is_no_part_of_what_a_run_did(content):
    plain = parse_recipe(content, "my.yaml", Path())
    content["checkpoints"] = "s3://bucket/some/prefix/"
    kept = parse_recipe(content, "my.yaml", Path())
    assert kept.checkpoints == "s3://bucket/some/prefix/"
    assert write_recipe(kept) == write_recipe(plain)
    load = parse_recipe(yaml.safe_load(write_recipe(plain)), "my.yaml", Path())
    assert load.checkpoints is None


@pytest.mark.parametrize("model", ["tag", "random", "tops-stop", "tops-tags"])
def test_an_iteration_of_a_model_that_cannot_be_iterated_is_refused(content, model):
    content["publish"] = {"model": model}
    assert parse_recipe(content, "my.yaml", Path()).retraining_mode() == "full"
    content["retrain"] = {"mode": "iteration"}
    with pytest.raises(InputError, match=rf"retrain\.mode: .* publishes {model}"):
        parse_recipe(content, "my.yaml", Path())


def test_a_retraining_is_an_iteration_unless_it_is_asked_for_in_full(content):
    for model in ("tops", "iter-sft", "iter-dpo"):
        content["publish"] = {"model": model}
        assert parse_recipe(content, "my.yaml", Path()).retraining_mode() == "iteration"
    content["retrain"] = {"mode": "full"}
    assert parse_recipe(content, "my.yaml", Path()).retraining_mode() == "full"
    z1 = yaml.safe_load((RECIPES / "z1-demo.yaml").read_text())
    assert parse_recipe(z1, "my.yaml", Path()).retraining_mode() == "full"


def test_the_candidate_is_what_is_published_or_what_an_iteration_has_made(content):
    recipe = parse_recipe(content | {"publish": {}}, "my.yaml", Path())
    assert recipe.candidate({"tag", "tops", "iter-sft", "iter-dpo"}) == "tops"
    assert recipe.candidate({"problems", "incumbent", "iter-dpo"}) == "iter-dpo"
    assert recipe.candidate({"problems", "tag"}) == "tops"  # not there, and to be asked for
    recipe = parse_recipe(content | {"publish": {"model": "iter-dpo"}}, "my.yaml", Path())
    assert recipe.candidate({"tag", "tops", "iter-sft", "iter-dpo"}) == "iter-dpo"
    assert recipe.candidate({"problems", "incumbent", "iter-sft"}) == "iter-sft"
