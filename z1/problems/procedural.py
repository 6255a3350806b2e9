"""Problems that reasoning-gym makes, as many as one likes."""

import json
from collections import Counter
from collections.abc import Mapping
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
    from reasoning_gym import create_dataset
    from reasoning_gym.factory import DATASETS

    if source.dataset not in DATASETS:
        raise InputError(f"{key}.dataset: reasoning-gym has no dataset {source.dataset!r}")
    for name in ("seed", "size"):
        if name in source.config:
            raise InputError(f"{key}.config.{name}: take it out; the source's own keys set it")
    draws = _DRAWS_AT_LEAST + _DRAWS_PER_PROBLEM * source.count
    rows: dict[str, dict[str, str | None]] = {}
    try:
        dataset = create_dataset(source.dataset, seed=source.seed, size=draws, **source.config)
    except Exception as error:  # its checks are assertions, and wrong types raise anything
        raise InputError(f"{key}.config: reasoning-gym refuses it: {error}") from error
    for number in range(draws):
        try:
            entry = dataset[number]
        except Exception as error:
            raise InputError(
                f"{key}.config: {source.dataset} fails to make problem {number}: {error!r}"
            ) from error
        prompt = _write_prompt(source.prompt, entry, key)
        if entry["answer"] is None:
            raise InputError(
                f"{key}.dataset: {source.dataset} gives no reference answers, so its problems "
                "cannot be checked before use; choose another dataset"
            )
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


def _write_prompt(template: str, entry: Mapping[str, Any], key: str) -> str:
    fields = {**entry["metadata"], "question": entry["question"]}
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise InputError(f"{key}.prompt: {error}; a brace that is text is written twice") from error
    for name in names:
        if name not in fields:
            known = ", ".join(sorted(fields))
            raise InputError(f"{key}.prompt: there is no field {{{name}}}; there are {known}")
    try:
        prompt = template.format(**fields)
    except ValueError as error:
        raise InputError(f"{key}.prompt: {error}") from error
    if not prompt.strip():
        raise InputError(f"{key}.prompt: the prompt of a problem comes out empty")
    return prompt
