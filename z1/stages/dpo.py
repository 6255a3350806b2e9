"""Train a model on preference pairs. Inputs: ``pairs`` and ``model``."""

from z1.efforts import expects_effort
from z1.errors import InputError
from z1.models import load_model, load_tokenizer
from z1.records import PAIR, scan
from z1.stages import Metrics, Work
from z1.training.rows import dpo_rows
from z1.training.trainers import save_model, train_dpo

USES = ("seed",)


def run(work: Work) -> Metrics:
    """Write the trained model folder. Raises InputError if no pair fits ``max_length``."""
    pairs = scan(work.inputs["pairs"], PAIR).collect()
    start = str(work.inputs["model"])
    tokenizer = load_tokenizer(start)
    rows, too_long = dpo_rows(tokenizer, pairs.iter_rows(named=True), work.section.max_length)
    if not rows:
        raise InputError(
            f"{work.step}: all {too_long} pairs are longer than max_length, "
            f"{work.section.max_length} tokens; raise it"
        )
    # Adapters go beside frozen weights; trained weights stay float32 and only compute is lower.
    model = load_model(start, work.section.dtype if work.section.lora else "float32")
    trained = train_dpo(
        model,
        tokenizer,
        rows,
        work.section,
        work.output,
        work.recipe.seed,
        work.report,
        work.keep,
    )
    save_model(trained.pop("model"), tokenizer, work.output, expects_effort(start))
    return Metrics(len(rows), {"longer than max_length": too_long}, trained, "pairs")
