from typing import Any, get_args

from z1.recipe import Recipe, Section
from z1.recipe.keys import list_keys


def sections(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Section) else []
    return [found for part in get_args(annotation) for found in sections(part)]


def fields(section: type[Section]) -> set[str]:
    """Every key at or below a section, by its last name and the section that holds it."""
    found = set()
    for name, field in section.model_fields.items():
        found.add(name)
        for deeper in sections(field.annotation):
            found |= fields(deeper)
    return found


def test_every_key_of_the_recipe_is_listed_once():
    names = [key.name for key in list_keys()]
    assert len(names) == len(set(names))
    assert {name.split(".")[-1] for name in names} == fields(Recipe)
    assert {name for name in names if "." not in name} == set(Recipe.model_fields)


def test_every_key_but_a_kind_has_a_meaning():
    assert [key.name for key in list_keys() if not key.meaning and key.name[-4:] != "kind"] == []


def test_types_and_defaults_are_in_words():
    keys = {key.name: key for key in list_keys()}
    assert keys["name"].default == "needed"
    assert keys["seed"].default == "default: 0"
    assert keys["model.chat_template"].type == "file or nothing"
    assert keys["generate.top_p"].type == "number (above 0 and at most 1)"
    assert keys["generate.engine"].type == '"transformers", "vllm" or "endpoint"'
    assert keys["evaluate.seeds"].type == "list of: whole number"
    assert keys["problems.sources[](file).path"].type == "file"
    assert keys["train.iter_dpo.lora.rank"].type == "whole number (above 0)"
    assert keys["train.tag.lora"].default == "default: null"
