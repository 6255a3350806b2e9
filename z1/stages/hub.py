"""Which commits of models on the Hugging Face hub a stage has loaded."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from z1.recipe import Section


def find_commits(sections: Iterable[Any]) -> dict[str, str]:
    """Return the commit, by hub id, of each model that sections name and this machine has cached.

    To be asked right after a stage: a branch that no revision pins is at another commit later, and
    the next pod has another cache.
    """
    named = {
        (value, getattr(section, "revision", None))
        for part in sections
        for section in _walk(part)
        for value in (getattr(section, name) for name in section.hub_or_folder)
        if value and value != "tiny" and not Path(value).exists()
    }
    found = ((model, _find_commit(model, revision)) for model, revision in sorted(named, key=str))
    return {model: commit for model, commit in found if commit}


def _walk(part: Any) -> Iterable[Section]:
    """Yield a section and all sections in it."""
    if isinstance(part, Section):
        yield part
        part = [getattr(part, name) for name in type(part).model_fields]
    if isinstance(part, list):
        for item in part:
            yield from _walk(item)


def _find_commit(model: str, revision: str | None) -> str | None:
    try:
        from huggingface_hub import try_to_load_from_cache

        file = try_to_load_from_cache(model, "config.json", revision=revision)
    except (ImportError, ValueError, OSError):  # not here, or no id
        return None
    return Path(file).parent.name if isinstance(file, str) else None
