"""What the models and data from outside were that a stage has loaded."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from z1.recipe import Section
from z1.tiny import MODEL


def find_models(sections: Iterable[Any], fingerprint: Callable[[Path], str]) -> dict[str, str]:
    """Return, for each hub id or folder that sections name, what it is now.

    Of a folder that is its fingerprint, of a model from the hub its commit, where this machine has
    it cached. To be asked right after a stage: a branch that no revision pins is at another commit
    later, and the next pod has another cache.
    """
    named = {
        (value, getattr(section, "revision", None))
        for part in sections
        for section in _walk(part)
        for value in (getattr(section, name) for name in section.hub_or_folder)
        if value
    }
    found: dict[str, str] = {}
    for name, revision in sorted(named, key=str):
        folder = MODEL if name == "tiny" else Path(name)
        known = fingerprint(folder) if folder.exists() else _find_commit(name, revision)
        if known is not None:
            found[name] = known
    return found


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
