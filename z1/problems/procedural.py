"""Problems that reasoning-gym makes, as many as one likes."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from string import Formatter
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.problems.rows import ROWS
from z1.recipe import ProceduralSource
from z1.records import normalise_prompt

# To meet all of n problems drawn blindly takes about n ln n draws: enough for any real n.
_DRAWS_PER_PROBLEM = 20
_DRAWS_AT_LEAST = 1000


def read_procedural(source: ProceduralSource, key: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Make ``source.count`` problems with distinct prompts (``ROWS``); leave out nothing.

    The answer of such a problem is reasoning-gym's whole entry, which its scorer needs. ``key``
    is the source's key in the recipe. Raises InputError that names the key that is wrong.
    """
    draws = _DRAWS_AT_LEAST + _DRAWS_PER_PROBLEM * source.count
    rows: dict[str, dict[str, str | None]] = {}
    dataset = _open(source, draws, key)
    for number in range(draws):
        entry = _draw(dataset, number, source, key)
        prompt = _write_prompt(source.prompt, entry, key)
        rows.setdefault(
            normalise_prompt(prompt),
            {
                "prompt": prompt,
                "answer": json.dumps(entry, ensure_ascii=False),
                "verifier": "procedural",
                "source": source.dataset,
                "where": f"{key}, problem {number}",
            },
        )
        if len(rows) == source.count:
            return pl.DataFrame(list(rows.values()), schema=ROWS), Counter()
    raise InputError(
        f"{key}.count: {draws} draws from {source.dataset} gave only {len(rows)} distinct "
        f"problems, not {source.count}; lower the count or widen the config"
    )


def find_mistakes(source: ProceduralSource, key: str) -> list[str]:
    """Return what is wrong with a source, each mistake with its key, by making one problem.

    Nothing is found where reasoning-gym is not installed.
    """
    try:
        import reasoning_gym  # noqa: F401
    except ModuleNotFoundError:
        return []
    found = []
    for config in (source.config, {}):  # with its defaults, to look at the prompt all the same
        try:
            looked_at = source.model_copy(update={"config": config})
            entry = _draw(_open(looked_at, 1, key), 0, looked_at, key)
            _write_prompt(source.prompt, entry, key)
        except InputError as error:
            found.append(str(error))
            if str(error).startswith(f"{key}.config"):
                continue
        break
    return found


def _open(source: ProceduralSource, size: int, key: str) -> Any:
    from reasoning_gym import create_dataset
    from reasoning_gym.factory import DATASETS

    if source.dataset not in DATASETS:
        close = get_close_matches(source.dataset, DATASETS, n=1)
        advice = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"{key}.dataset: reasoning-gym has no dataset {source.dataset!r}{advice}")
    for name in ("seed", "size"):
        if name in source.config:
            raise InputError(f"{key}.config.{name}: take it out; the source's own keys set it")
    known = [field.name for field in fields(DATASETS[source.dataset][1])]
    if unknown := [name for name in source.config if name not in known]:
        takes = ", ".join(name for name in known if name not in ("seed", "size"))
        raise InputError(
            f"{key}.config.{unknown[0]}: {source.dataset} has no such setting; it has {takes}"
        )
    try:
        return create_dataset(source.dataset, seed=source.seed, size=size, **source.config)
    except Exception as error:  # its checks are assertions, and wrong types raise anything
        raise InputError(f"{key}.config: reasoning-gym refuses it: {error}") from error


def _draw(dataset: Any, number: int, source: ProceduralSource, key: str) -> Mapping[str, Any]:
    try:
        entry: Mapping[str, Any] = dataset[number]
    except Exception as error:
        raise InputError(
            f"{key}.config: {source.dataset} fails to make problem {number}: {error!r}"
        ) from error
    if entry["answer"] is None:
        raise InputError(
            f"{key}.dataset: {source.dataset} gives no reference answers, so its problems "
            "cannot be checked before use; choose another dataset"
        )
    return entry


def _write_prompt(template: str, entry: Mapping[str, Any], key: str) -> str:
    values = {**entry["metadata"], "question": entry["question"]}
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise InputError(f"{key}.prompt: {error}; a brace that is text is written twice") from error
    for name in names:
        if name not in values:
            known = ", ".join(sorted(values))
            raise InputError(f"{key}.prompt: there is no field {{{name}}}; there are {known}")
    try:
        prompt = template.format(**values)
    except ValueError as error:
        raise InputError(f"{key}.prompt: {error}") from error
    if not prompt.strip():
        raise InputError(f"{key}.prompt: the prompt of a problem comes out empty")
    return prompt
