"""Asking a model for an effort: the chat template carries the three system prompts.

A model that was trained with effort prompts (a tag model) has them in its chat template, so
``tokenizer.apply_chat_template(messages, reasoning_effort="low")`` is all that anyone needs.
Without ``reasoning_effort`` it is asked for medium effort. A model trained without them (TOPS, Z1)
keeps its base's template. ``z1.json`` in the model folder says which of the two it is.
"""

import json
from pathlib import Path
from typing import Any

from z1.errors import InputError
from z1.recipe import EffortPrompts
from z1.records import EFFORTS, write_bytes

MODEL_CARD = "z1.json"

# The prompts go before the user's own system message, which stays.
_WRAPPER = """\
{{%- set z1_prompts = {prompts} -%}}
{{%- set z1_effort = reasoning_effort or 'medium' -%}}
{{%- if z1_effort not in z1_prompts -%}}
{{{{- raise_exception("reasoning_effort must be one of {names}, not '" ~ z1_effort ~ "'") -}}}}
{{%- endif -%}}
{{%- if messages and messages[0]['role'] == 'system' -%}}
{{%- set z1_system = z1_prompts[z1_effort] ~ '\\n\\n' ~ messages[0]['content'] -%}}
{{%- set messages = [{{'role': 'system', 'content': z1_system}}] + messages[1:] -%}}
{{%- else -%}}
{{%- set messages = [{{'role': 'system', 'content': z1_prompts[z1_effort]}}] + messages -%}}
{{%- endif -%}}
"""
_START = "{#- z1 effort prompts -#}\n"
_END = "{#- end of z1 effort prompts -#}"


def with_efforts(template: str, prompts: EffortPrompts) -> str:
    """Return a chat template that puts the prompt of the effort asked for before a conversation.

    A template that has effort prompts already gets these instead.
    """
    table = {effort: getattr(prompts, effort) for effort in EFFORTS}
    literal = "{" + ", ".join(f"{_quote(k)}: {_quote(v)}" for k, v in table.items()) + "}"
    wrapper = _WRAPPER.format(prompts=literal, names=", ".join(EFFORTS))
    return _START + wrapper + _END + without_efforts(template)


def without_efforts(template: str) -> str:
    """Return a chat template without the prompts that ``with_efforts`` put there."""
    if not template.startswith(_START):
        return template
    return template[template.index(_END) + len(_END) :]


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def write_card(folder: Path, efforts: bool) -> None:
    """Record in a model folder whether the model expects an effort prompt."""
    write_bytes(folder / MODEL_CARD, json.dumps({"efforts": efforts}).encode() + b"\n")


def expects_effort(model: str) -> bool:
    """Tell whether a model was trained with effort prompts; False for models not made by z1.

    Raises InputError if its ``z1.json`` cannot be read.
    """
    path = Path(model) / MODEL_CARD
    if not path.is_file():
        return False
    try:
        card: dict[str, Any] = json.loads(path.read_text())
        return bool(card["efforts"])
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: not a z1 model card: {error}") from error
