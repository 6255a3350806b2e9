"""What the models from outside were that a stage has loaded."""

from huggingface_hub import constants

from z1.recipe import BaseModelSection, Teacher
from z1.stages.keys import fingerprint
from z1.stages.outside import find_models
from z1.tiny import MODEL

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
    both = find_models([teacher, pinned], fingerprint)
    assert both == {"some/teacher": MAIN, "some/base": OLD}
    whole = demo.model_copy(update={"model": pinned})
    assert find_models([whole], fingerprint) == {"some/base": OLD}
    unknown = BaseModelSection(path="some/other")
    assert find_models([unknown, None, "tops"], fingerprint) == {}


def test_a_folder_is_known_by_its_fingerprint(demo, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    base = BaseModelSection(path=str(tmp_path))
    found = find_models([base, demo.model], fingerprint)
    assert found == {str(tmp_path): fingerprint(tmp_path), "tiny": fingerprint(MODEL)}
