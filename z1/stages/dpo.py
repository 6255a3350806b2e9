"""Train a model on preference pairs. Inputs: ``pairs`` and ``model``."""

from z1.efforts import expects_effort
from z1.errors import InputError
from z1.models import as_base, load_tokenizer
from z1.records import PAIR, scan
from z1.stages import Metrics, Work
from z1.training.job import Job
from z1.training.launch import run_job
from z1.training.rows import dpo_rows

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
    efforts = expects_effort(start)
    job = Job("dpo", as_base(start), tokenizer, rows, work.section, work.recipe.seed, efforts)
    trained = run_job(job, work.output, work.report, work.keep, work.on_nodes)
    return Metrics(len(rows), {"longer than max_length": too_long}, trained, "pairs")
