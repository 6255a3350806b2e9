"""Loading Hugging Face models and tokenizers the way every stage needs them."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from z1.efforts import with_efforts
from z1.errors import InputError
from z1.recipe import BaseModelSection, EffortPrompts
from z1.tiny import MODEL


def load_tokenizer(model: str | BaseModelSection, efforts: EffortPrompts | None = None) -> Any:
    """Load a tokenizer with its chat template, with effort prompts in it if any are given.

    ``model`` is a folder or hub id, or the recipe's base model. Raises InputError if there is no
    such model, or it has no chat template and the recipe names none.
    """
    base = as_base(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.path, revision=base.revision)
    except (OSError, ValueError) as error:
        raise _missing(base.path, error) from error
    if base.chat_template is not None:
        tokenizer.chat_template = base.chat_template.read_text(encoding="utf-8")
    if tokenizer.chat_template is None:
        raise InputError(
            f"model {base.path!r} has no chat template: name a file with one under "
            "model.chat_template"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if efforts is not None:
        tokenizer.chat_template = with_efforts(tokenizer.chat_template, efforts)
    return tokenizer


def encode_prompt(tokenizer: Any, prompt: str, effort: str | None) -> list[int]:
    """Return the ids of a conversation up to where the reply begins."""
    ids: list[int] = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
        **({} if effort is None else {"reasoning_effort": effort}),
    )
    return ids


def context_size(model: str | BaseModelSection) -> int | None:
    """Return the most tokens of prompt and reply together that a model was made for, if it says.

    Raises InputError if there is no such model.
    """
    base = as_base(model)
    try:
        config = AutoConfig.from_pretrained(base.path, revision=base.revision)
    except (OSError, ValueError) as error:
        raise _missing(base.path, error) from error
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def load_model(model: str | BaseModelSection, dtype: str, place: bool = True) -> Any:
    """Load the weights in a number format, on the GPU if there is one; without ``place``, where
    transformers puts them: FSDP places them itself.

    Raises InputError if there is no such model.
    """
    base = as_base(model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            base.path, revision=base.revision, dtype=pick_dtype(dtype), use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise _missing(base.path, error) from error
    return loaded.to(device) if place else loaded


def as_base(model: str | BaseModelSection) -> BaseModelSection:
    """Return where a model comes from: a folder or hub id, and a revision of it."""
    base = BaseModelSection(path=model) if isinstance(model, str) else model
    return base.model_copy(update={"path": str(MODEL)}) if base.path == "tiny" else base


def pick_dtype(dtype: str) -> torch.dtype:
    """Return the number format; ``auto`` is bfloat16 on a GPU and float32 on a CPU."""
    if dtype == "auto":
        return torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return torch.bfloat16 if dtype == "bfloat16" else torch.float32


def stop_tokens(model: str | BaseModelSection, tokenizer: Any) -> list[int]:
    """Return the ids that end a reply, the tokenizer's own end token first."""
    base = as_base(model)
    try:
        config = GenerationConfig.from_pretrained(base.path, revision=base.revision)
    except OSError:  # not every model has one of these
        settings = AutoConfig.from_pretrained(base.path, revision=base.revision)
        config = GenerationConfig.from_model_config(settings)
    configured = config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return list(dict.fromkeys(i for i in [tokenizer.eos_token_id, *ids] if i is not None))


def _missing(model: str, error: Exception) -> InputError:
    first = str(error).strip().splitlines()[0]
    return InputError(
        f"model {model!r} (model.path, teacher.model) cannot be loaded: name a model folder or a "
        f"Hugging Face id that this machine can reach ({first})"
    )
