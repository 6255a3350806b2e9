"""Sections that say which models answer, and how they are sampled."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from z1.recipe.section import Count, Prompt, Section, Share


class BaseModelSection(Section):
    """The model that every fine-tuning but the iteration starts from."""

    hub_or_folder = ("path",)

    path: str
    """A Hugging Face model id, a model folder, or ``tiny`` for the model that ships with z1."""
    revision: str | None = None
    """Branch, tag or commit of the model on the hub."""
    chat_template: Path | None = None
    """File with a Jinja chat template, for a model that has none of its own."""


class EffortPrompts(Section):
    """The system prompt that asks for each effort."""

    low: Prompt
    """Asks for the most direct way to the answer."""
    medium: Prompt
    """Asks to balance depth against time."""
    high: Prompt
    """Asks to explore, verify and reflect without a time limit."""


class Endpoint(Section):
    """A server with OpenAI's API; its key is taken from the environment: OPENAI_API_KEY."""

    url: str = Field(pattern="^https?://")
    """Where its API begins, such as ``http://localhost:8000/v1``."""
    served_model: str | None = None
    """The server's name of the model, where it is not the one that the recipe has for it."""
    api: Literal["completions", "chat"] = "completions"
    """``completions`` sends prompts as tokens, encoded here; ``chat`` sends messages, for servers
    that keep their tokenizer to themselves."""
    concurrency: Count = 32
    """Requests under way at a time."""


Engine = Literal["transformers", "vllm", "endpoint"]


class Sampling(Section):
    """How text is sampled from a model."""

    engine: Engine = "transformers"
    """What runs the model: this process, vLLM on all GPUs of the machine, or a server."""
    samples: Count = 1
    """Replies to each problem and effort."""
    temperature: float = Field(1.0, ge=0)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the smallest set of tokens with this much probability."""
    max_tokens: Count
    """Most tokens of a reply."""
    batch_size: Count = 64
    """Replies sampled side by side; of ``vllm``, by each copy of the model."""
    part_size: Count = 1024
    """Replies in a part file; work that was cut off is lost by the part."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format; ``auto`` is bfloat16 on a GPU and float32 on a CPU."""
    tensor_parallel: Count = 1
    """``vllm``: GPUs that share one copy of the model; the machine holds as many copies as fit."""
    endpoint: Endpoint | None = None
    """``endpoint``: the server."""

    @model_validator(mode="after")
    def _complete(self) -> "Sampling":
        if self.engine == "endpoint" and self.endpoint is None:
            raise ValueError("engine 'endpoint' needs 'endpoint', the server and its url")
        return self


class ThinkingWindow(Section):
    """What happens when a reply has spent its thinking budget."""

    hint: str = Field(
        "\n\nI have no time left to think. My final answer, from what I have so far:\n",
        min_length=1,
    )
    """Text that then makes the model answer; it is turned into tokens once."""
    reserve: Count = 64
    """Tokens kept for the answer after the hint, which thinking cannot eat."""
    delimiter: str | None = None
    """For a model trained with tags: the text with which it ends its thinking by itself."""


class Teacher(Section):
    """Who answers the seed problems at the three efforts; for Z1, the training problems."""

    hub_or_folder = ("model",)

    engine: Literal["scripted", "file", "transformers", "vllm", "endpoint"]
    """``scripted`` writes worked sums, ``file`` takes replies that are there already; the others
    run a model, as under ``sampling.engine``, which must name the same one."""
    model: str | None = None
    """The teacher model, for the engines that run one."""
    slip: Share = 0.0
    """``scripted``: the chance that a step goes wrong."""
    replies: Path | None = None
    """``file``: JSONL or Parquet with ``prompt``, ``text`` and optionally ``effort``, or with
    ``question`` and ``response`` as in Z1-Code-Reasoning-107K."""
    sampling: Sampling | None = None
    """How the teacher model is sampled, for the engines that run one."""

    @model_validator(mode="after")
    def _complete(self) -> "Teacher":
        if self.engine == "file" and self.replies is None:
            raise ValueError("engine 'file' needs 'replies', the file with the replies")
        if self.engine in get_args(Engine):
            if self.model is None or self.sampling is None:
                raise ValueError(f"engine {self.engine!r} needs 'model' and 'sampling'")
            if self.engine != self.sampling.engine:
                raise ValueError(
                    f"engine {self.engine!r} is not that of 'sampling', {self.sampling.engine!r}; "
                    "give both the same one"
                )
        return self
