"""Which commits of models on the hub a stage has loaded."""

from huggingface_hub import constants

from z1.recipe import BaseModelSection, Teacher
from z1.stages.hub import find_commits

MAIN, OLD = "a" * 40, "b" * 40


def test_the_commit_in_the_cache_is_found_by_branch_or_tag(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for model in ("some--base", "some--teacher"):
        cache = tmp_path / f"models--{model}"
        (cache / "refs").mkdir(parents=True)
        for name, commit in (("main", MAIN), ("v1", OLD)):
            (cache / "refs" / name).write_text(commit)
            (cache / "snapshots" / commit).mkdir(parents=True)
            (cache / "snapshots" / commit / "config.json").touch()
    teacher = Teacher(engine="transformers", model="some/teacher", sampling=demo.generate)
    pinned = BaseModelSection(path="some/base", revision="v1")
    assert find_commits([teacher, pinned]) == {"some/teacher": MAIN, "some/base": OLD}
    assert find_commits([demo.model_copy(update={"model": pinned})]) == {"some/base": OLD}
    here = BaseModelSection(path=str(tmp_path))
    unknown = BaseModelSection(path="some/other")
    assert find_commits([here, unknown, demo.model, None, "tops"]) == {}
