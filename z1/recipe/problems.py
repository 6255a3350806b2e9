"""Sections that say where problems come from and how they are divided."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from z1.recipe.section import Count, Prompt, Section, Share


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
    config: dict[str, Any] = Field({})
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
    against: list[AnySource] = Field([])
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
