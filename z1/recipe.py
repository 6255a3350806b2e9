"""The recipe: one YAML file that holds every choice of a run.

Each section below is one part of the file. Unknown keys are refused, so that a misspelt choice
is an error and never silently a default.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from z1.errors import InputError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]

OWN_MODELS = (
    *("base", "tag", "random", "tops", "iter-sft", "iter-dpo"),
    *("tops-stop", "tops-tags", "z1"),
)
"""Names of the models that a run makes or starts from."""


def _not_blank(text: str) -> str:
    if text and not text.strip():
        raise ValueError("this is blank; write a text")
    return text


Prompt = Annotated[str, Field(min_length=1), AfterValidator(_not_blank)]


class Section(BaseModel):
    """A part of the recipe."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    hub_or_folder: ClassVar[tuple[str, ...]] = ()
    """Fields with a Hugging Face id, or a folder (for some, a file) where one of that name is
    beside the recipe."""
    file_or_folder: ClassVar[tuple[str, ...]] = ()
    """Fields with a path that may be a folder; any other path has to be a file."""

    def uses(self) -> tuple[str, ...]:
        """Return the other top-level keys that a stage reads because of what this section says."""
        return ()

    @field_validator("*")
    @classmethod
    def _is_there(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse files and folders that are not there, if ``context`` says where to look."""
        folder: Path | None = (info.context or {}).get("folder")
        if folder is None or value is None:
            return value
        if isinstance(value, Path) and not _from(folder, value).is_file():
            if info.field_name in cls.file_or_folder and _from(folder, value).is_dir():
                return value
            raise _missing("file", _from(folder, value))
        if info.field_name in cls.hub_or_folder and _is_local(folder, value):
            raise _missing("folder", _from(folder, value))
        return value


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


class Source(Section):
    """What all sources of problems have in common."""

    count: Count | None = None
    """Take at most this many distinct problems; all of them if absent."""
    split: Literal["evaluation", "seed", "train", "iteration"] | None = None
    """Put the whole source into this split instead of dividing it by ``splits``."""
    only: Literal["evaluation", "seed", "train", "iteration"] | None = None
    """Keep only those problems that ``splits`` puts into this split, and leave out the others:
    ``evaluation`` tests on a family of problems of which none is trained on."""
    difficulty: str | None = None
    """Difficulty of every problem of the source, whatever its rows say."""


class FileSource(Source):
    """Problems from a file of one's own."""

    kind: Literal["file"]
    path: Path
    """JSONL or Parquet: ``prompt``, ``answer``, ``verifier``, optional ``id``, ``difficulty``."""


class HubSource(Source):
    """What sources from the Hugging Face hub have in common."""

    hub_or_folder = ("path",)

    path: str
    """Dataset id, or a folder that ``datasets.load_dataset`` reads."""
    name: str | None = None
    """Configuration of the dataset."""
    hub_split: str = "train"
    """Split of the dataset as its authors named it."""
    revision: str | None = None
    """Branch, tag or commit of the dataset."""


class HuggingFaceSource(HubSource):
    """Problems from a dataset on the Hugging Face hub or a local copy of one."""

    kind: Literal["huggingface"]
    columns: Literal["numina", "gsm8k", "math", "aime"]
    """Whose column names and answer format the dataset has."""
    until_year: int | None = None
    """``aime``: leave out problems of later years, such as those of the evaluation."""


class QuestionsSource(HubSource):
    """Questions without reference answers, to train on replies to them that nobody checks."""

    kind: Literal["questions"]
    path: str
    """A JSONL or Parquet file, a dataset id, or a folder that ``datasets.load_dataset`` reads, with
    the column ``question``, ``instruction`` or ``prompt``, and optional ``id``, ``difficulty``.
    Z1-Code-Reasoning-107K is such a one."""
    split: Literal["train"] = "train"
    """They are good for nothing but training."""


class ProceduralSource(Source):
    """Problems that reasoning-gym makes."""

    kind: Literal["procedural"]
    dataset: str
    """Name of the reasoning-gym dataset."""
    config: dict[str, Any] = {}
    """Its configuration, without ``seed`` and ``size``."""
    seed: int = 0
    """Seed of the problem stream."""
    count: Count
    """How many distinct problems to make."""
    prompt: Prompt = "{question}"
    """How a problem is put: text with ``{question}`` or a field of the entry's metadata."""


class BenchmarkSource(Source):
    """A published benchmark, for the evaluation alone."""

    file_or_folder = ("path",)

    kind: Literal["benchmark"]
    name: str
    """gsm8k, math500, aime2024, gpqa-diamond, livecodebench-v5 or bigcodebench-hard."""
    path: Path | None = None
    """A local copy: a folder with the files of its hub repository, or one JSONL, Parquet or CSV
    file with the same columns; downloaded from the hub if absent."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    prompt: str | None = Field(None, pattern=r"\{question\}")
    """How a problem is put, in place of the benchmark's own way: text with ``{question}``."""
    seed: int = 0
    """Seed of the order of choices, where there are any."""
    split: Literal["evaluation"] = "evaluation"
    """Nothing is trained on a benchmark."""


AnySource = Annotated[
    FileSource | HuggingFaceSource | QuestionsSource | ProceduralSource | BenchmarkSource,
    Field(discriminator="kind"),
]


class Splits(Section):
    """Share of the problems in each split; a problem's split is decided by a hash of its prompt."""

    evaluation: Share = 0.1
    """Never trained on."""
    seed: Share = 0.2
    """Answered by the teacher, for the tag model."""
    train: Share = 0.5
    """Answered by the tag model, for the thinking-optimal model."""
    iteration: Share = 0.2
    """Answered by the thinking-optimal model, for the iteration."""

    @model_validator(mode="after")
    def _fit(self) -> "Splits":
        total = self.evaluation + self.seed + self.train + self.iteration
        if total > 1 + 1e-9:
            raise ValueError(f"the shares add up to {total:g}, which is more than 1")
        return self


class Decontamination(Section):
    """Which problems are too much like those of the evaluation to be trained on."""

    ngram: Count = 13
    """A problem outside the evaluation split is dropped if it has this many words in a row in
    common with an evaluation problem, or, where one has fewer words, if both are the same."""
    against: list[AnySource] = []
    """Further problems to keep out of the training, such as benchmarks that a model will be tested
    on later; they become part of no split."""


class Problems(Section):
    """Where problems come from and how they are divided."""

    sources: list[AnySource] = Field(min_length=1)
    """The sources, read in order. Of problems with the same prompt the first is kept, unless
    a copy of it is in the evaluation split, which is then kept alone."""
    splits: Splits = Splits()
    split_seed: int = 0
    """Seed of the hash that divides the problems."""
    decontaminate: Decontamination | None = Decontamination()
    """Keep problems of the evaluation out of the training, in other wrappings too; ``null`` does
    not look for them."""


class Verify(Section):
    """How the programs in replies to code problems are run; other verifiers take no settings."""

    isolation: Literal["auto", "bubblewrap", "landlock"] = "auto"
    """What keeps a program in: bubblewrap's namespaces, or Landlock where those are blocked.
    ``auto`` takes the stronger that works on the machine; naming one refuses to fall back."""
    seconds: Positive = 10.0
    """Computing time of each test; waiting may take three times as long."""
    memory_mb: Count = 2048
    """Memory of each test."""


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


class Filter(Section):
    """Which of the teacher's replies Z1 does not train on.

    Those cut at the token limit, empty ones, and those that go round in a loop are dropped always.
    """

    verify: bool = False
    """Also drop replies that their problem's verifier does not find right; the paper does not."""


class Selection(Section):
    """What is kept for training."""

    min_gap: int = Field(300, ge=0)
    """Seed set: the lengths of a problem's three replies must differ by more tokens than this."""
    with_seed: bool = True
    """Add the seed set's low replies to the thinking-optimal ones, as the paper does, and a
    random one of each seed problem's three to the random baseline."""
    tokens: Count | None = None
    """Z1: take replies up to this many tokens altogether; all of them if absent."""
    order: Literal["random", "longest", "shortest"] = "random"
    """Z1: which replies come first where ``tokens`` leaves some out."""
    rounds: bool = False
    """Also count, by effort, the rounds that the right replies hold, and the wrong ones of them."""


class Lora(Section):
    """Train low-rank adapters and merge them, instead of all weights."""

    rank: Count = 16
    """Rank of the adapters."""
    alpha: Positive = 32
    """Scale of the adapters, divided by the rank."""
    dropout: Share = 0.0
    """Dropout on the adapters' input."""


class Training(Section):
    """How a model is fine-tuned."""

    learning_rate: Positive
    """Peak of the schedule."""
    batch_size: Count
    """Sequences in an optimiser step, over all devices."""
    device_batch_size: Count = 8
    """Sequences side by side on a device; the rest of ``batch_size`` is accumulated."""
    epochs: Positive
    """Passes over the data."""
    max_length: Count
    """Most tokens of prompt and reply together; longer rows are dropped and counted."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """Shape of the learning rate over the steps."""
    warmup_share: Share = 0.05
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW weight decay."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format; ``auto`` is bfloat16 on a GPU and float32 on a CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass to save memory."""
    save_steps: Count = 100
    """Optimiser steps between checkpoints."""
    lora: Lora | None = None
    """Low-rank adapters; all weights if absent."""

    @model_validator(mode="after")
    def _divide_batches(self) -> "Training":
        if self.batch_size % min(self.batch_size, self.device_batch_size):
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of device_batch_size "
                f"{self.device_batch_size}"
            )
        return self


class Stop(Section):
    """Training to answer when the thinking window closes."""

    share: Share = 0.5
    """Share of the examples that are cut at a random budget and go on with the window's hint and
    the reference answer, of which only the answer is learnt."""


class Tags(Section):
    """Marks around the thinking, for a baseline that thinks between tags."""

    opening: str = "<thinking>\n"
    """Stands at the end of the prompt, so that no budget is spent on it."""
    closing: str = Field("\n</thinking>\n", min_length=1)
    """Stands between the thinking and the answer, and is put there when the budget is spent."""


class SftTraining(Training):
    """How a model is fine-tuned on examples."""

    stop: Stop | None = None
    """Also train the model to answer where its thinking window closes."""
    tags: Tags | None = None
    """Train the same replies with tags around their thinking: all before the last paragraph or
    line, or all of a single line, which the reference answer then follows."""
    mask_wrong_rounds: bool = False
    """Leave the loss on rounds of a reply that end with a wrong answer out; the last round, with
    which the reply ends, is always learnt."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "SftTraining":
        if bool(self.stop) + bool(self.tags) + self.mask_wrong_rounds > 1:
            raise ValueError(
                "'stop', 'tags' and 'mask_wrong_rounds' are different models; give one of them"
            )
        return self

    def uses(self) -> tuple[str, ...]:
        return ("window",) if self.stop else ()


class DpoTraining(Training):
    """How a model is trained on preference pairs."""

    beta: Positive = 0.1
    """Strength of the pull towards the starting model; the paper does not state its value."""
    sft_weight: float = Field(0.0, ge=0)
    """Weight of the plain loss on the chosen reply, added to the preference loss."""


class Trainings(Section):
    """The trainings of the method's pipeline."""

    tag: SftTraining | None = None
    """TOPS: base model to tag model, on the seed set."""
    tops: SftTraining | None = None
    """TOPS: base model to thinking-optimal model; the random baseline is trained the same way."""
    tops_stop: SftTraining | None = None
    """TOPS: the same with ``stop``, for the evaluation over budgets."""
    tops_tags: SftTraining | None = None
    """TOPS: the same with ``tags``, for the evaluation over budgets."""
    iter_sft: SftTraining | None = None
    """TOPS: thinking-optimal model, further trained on its own shortest right replies."""
    iter_dpo: DpoTraining | None = None
    """TOPS: thinking-optimal model, further trained on preference pairs among its own replies."""
    z1: SftTraining | None = None
    """Z1: base model to Z1 model, on the teacher's replies."""

    @model_validator(mode="after")
    def _as_named(self) -> "Trainings":
        if self.tops_stop and not self.tops_stop.stop:
            raise ValueError("'tops_stop' needs 'stop', such as {share: 0.5}")
        if self.tops_tags and not self.tops_tags.tags:
            raise ValueError("'tops_tags' needs 'tags', such as {} for tags of the usual wording")
        return self


class Judge(Section):
    """A model that finds the rounds of replies whose intermediate answers no verifier can check,
    such as those to code problems."""

    hub_or_folder = ("model",)

    model: str
    """The model, which a server answers for; of a served one the tokenizer's id or folder."""
    sampling: Sampling
    """How it is asked; usually ``engine: endpoint`` and temperature 0."""


class Baseline(Section):
    """Another model to test beside those of the run."""

    hub_or_folder = ("model",)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    """What tables call it."""
    model: str | None = None
    """Hugging Face id or folder of the model; with ``endpoint``, of its tokenizer."""
    endpoint: Endpoint | None = None
    """A server that answers for it, instead of what runs the other models."""

    @model_validator(mode="after")
    def _complete(self) -> "Baseline":
        if self.name in OWN_MODELS:
            raise ValueError(f"{self.name!r} is the name of a model of the run; choose another")
        if self.model is None and self.endpoint is None:
            raise ValueError("a baseline needs 'model', or 'endpoint' with the server to ask")
        if self.endpoint is None or self.model is not None:
            return self
        if self.endpoint.api == "completions" or self.endpoint.served_model is None:
            raise ValueError(
                "without 'model', whose tokenizer encodes the prompts, an endpoint needs "
                "'api: chat' and 'served_model'"
            )
        return self


class Evaluation(Section):
    """How every model is tested."""

    hub_or_folder = ("tokenizer",)

    sampling: Sampling
    """How replies are sampled; ``samples`` and ``temperature`` do not apply to the greedy pass."""
    seeds: list[int] = Field([1, 2, 3], min_length=1)
    """Sampling seeds; one reply to each problem for each."""
    greedy: bool = True
    """Also test at temperature 0."""
    resamples: Count = 10_000
    """Bootstrap resamples behind each interval."""
    budgets: list[Annotated[int, Field(ge=0)]] = []
    """Thinking budgets in tokens: also test, at temperature 0, how right the model is within each
    of them. For TOPS this trains ``train.tops_stop`` and ``train.tops_tags`` as well."""
    tokenizer: str | None = None
    """Hugging Face id or folder of a tokenizer by which the report counts all models' thinking
    tokens; each model's own if absent. Thinking that a server hides is estimated by it."""
    rounds: bool = False
    """Also count the rounds that replies hold, and the wrong ones of them, by model and effort."""
    judge: Judge | None = None
    """Who finds the rounds where no verifier can; such replies are left out if absent."""
    reach: str | None = None
    """Name of a model, such as ``base``: also find, with budgets, at how many thinking tokens the
    trained model is first as right as that one."""
    baselines: list[Baseline] = []
    """Other models to test on the same problems, and within the same budgets."""

    @model_validator(mode="after")
    def _named_apart(self) -> "Evaluation":
        names = [baseline.name for baseline in self.baselines]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"baselines: two have the name {name!r}; name them apart")
        return self

    def uses(self) -> tuple[str, ...]:
        return ("window", "train") if self.budgets else ()


METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tops": (
        (
            "efforts",
            "generate",
            "iterate",
            "train.tag",
            "train.tops",
            "train.iter_sft",
            "train.iter_dpo",
        ),
        ("train.tops_stop", "train.tops_tags"),
    ),
    "z1": (("train.z1",), ()),
}
"""The keys that a method's recipe needs beside those that all have, and those that it may have."""


class Recipe(Section):
    """One run of a method's pipeline."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """Name of the run and of the models it makes."""
    method: Literal["tops", "z1"] = "tops"
    """``tops`` trains a tag model and then, on the shortest right replies, a thinking-optimal one;
    ``z1`` trains one model on a teacher's short and long replies."""
    seed: int = 0
    """Seed of everything that is sampled, selected or trained."""
    model: BaseModelSection
    efforts: EffortPrompts | None = None
    """TOPS: the system prompt that asks for each effort."""
    window: ThinkingWindow = ThinkingWindow()
    problems: Problems
    verify: Verify = Verify()
    teacher: Teacher
    filter: Filter = Filter()
    generate: Sampling | None = None
    """TOPS: how the tag model answers the training problems at each effort."""
    iterate: Sampling | None = None
    """TOPS: how the thinking-optimal model answers the iteration problems."""
    select: Selection = Selection()
    train: Trainings
    evaluate: Evaluation

    @model_validator(mode="after")
    def _is_of_its_method(self) -> "Recipe":
        needed, _ = METHODS[self.method]
        others = [key for name in METHODS if name != self.method for key in sum(METHODS[name], ())]
        if missing := [key for key in needed if self._at(key) is None]:
            raise ValueError(f"method {self.method!r} also needs {', '.join(missing)}")
        if strange := [key for key in others if self._at(key) is not None]:
            raise ValueError(f"method {self.method!r} has no use for {', '.join(strange)}")
        kinds = {source.kind for source in self.problems.sources}
        if self.method == "tops" and "questions" in kinds:
            raise ValueError(
                "method 'tops' checks every reply, so a source of kind 'questions', which has no "
                "reference answers, is of no use to it"
            )
        return self

    def _at(self, key: str) -> Any:
        section, _, name = key.rpartition(".")
        return getattr(getattr(self, section) if section else self, name)

    @model_validator(mode="after")
    def _budgets_fit(self) -> "Recipe":
        if not self.evaluate.budgets:
            return self
        if self.method == "tops" and not (self.train.tops_stop and self.train.tops_tags):
            raise ValueError(
                "evaluate.budgets compares with two more models; say under train.tops_stop and "
                "train.tops_tags how they are trained"
            )
        largest, limit = max(self.evaluate.budgets), self.evaluate.sampling.max_tokens
        if largest + self.window.reserve >= limit:
            raise ValueError(
                f"evaluate.budgets: {largest} tokens of thinking, a hint and window.reserve, "
                f"{self.window.reserve} tokens for the answer, do not fit into "
                f"evaluate.sampling.max_tokens, {limit}"
            )
        return self


def find_recipe(name: str) -> Path:
    """Return the path of a recipe file, or of the built-in recipe of that name.

    Raises InputError that lists the built-in ones where there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    shelf = Path(str(resources.files("z1_recipes")))
    built_in = shelf / f"{name}.yaml"
    if re.fullmatch(r"[\w.-]+", name) and built_in.is_file():
        return built_in
    names = ", ".join(sorted(path.stem for path in shelf.glob("*.yaml")))
    raise InputError(f"{name}: no such recipe file, nor a built-in recipe ({names})")


def load_recipe(
    path: Path, look_closer: Callable[[object], Iterable[str]] = lambda content: ()
) -> Recipe:
    """Read a recipe; paths in it are taken from the recipe file's folder.

    ``look_closer`` is given the file's content and returns further mistakes, each with its key.
    Raises InputError that names the file and every wrong key at once.
    """
    try:
        content, mistakes = _read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as a date of month 13
        raise InputError(f"{path}: not YAML: {error}") from error
    folder = path.resolve().parent
    mistakes += [*_find_mistakes(content, {"folder": folder}), *look_closer(content)]
    _refuse(mistakes, str(path))
    return parse_recipe(content, where=str(path), folder=folder)


def write_recipe(recipe: Recipe) -> str:
    """Return a recipe as the YAML text that a run keeps, with all its defaults."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def parse_recipe(content: object, where: str, folder: Path) -> Recipe:
    """Check a recipe's content; ``where`` stands in the messages, ``folder`` before its paths.

    Whether what it names is there is not looked at: on a cluster each step has its own files.
    """
    _refuse(_find_mistakes(content), where)
    resolved: Recipe = _resolve(Recipe.model_validate(content), folder)
    return resolved


def _refuse(mistakes: list[str], where: str) -> None:
    if mistakes:
        lines = [f"{where}: {len(mistakes)} mistake(s) in the recipe"]
        raise InputError("\n".join([*lines, *(f"  {mistake}" for mistake in mistakes)]))


def _find_mistakes(content: object, context: dict[str, Any] | None = None) -> list[str]:
    try:
        Recipe.model_validate(content, context=context)
    except ValidationError as error:
        return [_explain(detail) for detail in error.errors()]
    return []


def _read_yaml(text: str) -> tuple[object, list[str]]:
    """Return what YAML text says, and its keys that stand twice, of which YAML takes the last."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, []
        twice = list(_find_twice(node, "", set()))
        return loader.construct_document(node), twice
    finally:
        loader.dispose()


def _find_twice(node: yaml.Node, key: str, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias of what was looked at already
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _find_twice(item, f"{key}.{number}".removeprefix("."), seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for name, value in node.value:
            line, inner = name.start_mark.line + 1, f"{key}.{name.value}".removeprefix(".")
            if inner in lines and name.value != "<<":
                yield f"{inner}: line {lines[inner]} and line {line} both have this key; keep one"
            lines[inner] = line
            yield from _find_twice(value, inner, seen)


_SOURCE_KINDS = {"file", "huggingface", "questions", "procedural", "benchmark"}


def _explain(detail: Any) -> str:
    location = [part for part in detail["loc"] if part not in _SOURCE_KINDS]
    key = ".".join(str(part) for part in location) or "(top)"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key; see `z1 recipe keys` for those there are"
    if detail["type"] == "missing":
        return f"{key}: this key is needed"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing_path":
        return f"{key}: {message}"
    given = detail["input"]
    return f"{key}: {message}" + ("" if isinstance(given, dict) else f" (it is {given!r})")


def _missing(kind: str, path: Path) -> PydanticCustomError:
    return PydanticCustomError(
        "missing_path", "there is no {kind} {path}", {"kind": kind, "path": str(path)}
    )


def _from(folder: Path, path: str | Path) -> Path:
    try:
        return folder / Path(path).expanduser()
    except RuntimeError:  # ~ of nobody
        return folder / path


def _is_local(folder: Path, name: str) -> bool:
    """Tell whether a hub id or folder must be a folder, and is none.

    An id has one slash at most; one that begins with a folder that is there is taken for a path.
    """
    path = _from(folder, name)
    if name == "tiny" or path.exists():
        return False
    marked = name.startswith((".", "/", "~")) or name.count("/") > 1
    return marked or ("/" in name and path.parent.is_dir())


def _resolve(section: Any, folder: Path) -> Any:
    """Return the section with every relative file path made absolute from ``folder``."""
    if isinstance(section, Section):
        values = {
            name: _resolve(getattr(section, name), folder) for name in section.model_fields_set
        }
        for name in section.hub_or_folder:
            if (value := getattr(section, name)) and _from(folder, value).exists():
                values[name] = str(_from(folder, value))
        return section.model_copy(update=values)
    if isinstance(section, list):
        return [_resolve(item, folder) for item in section]
    return _from(folder, section) if isinstance(section, Path) else section
