"""Fine-tune a model on examples. Inputs: ``examples``; ``model``, or the recipe's base without it;
``problems`` where the section has ``stop``, ``tags`` or ``mask_wrong_rounds``.

Examples with an effort make a tag model, which carries the effort prompts in its chat template.
"""

from collections import Counter

import polars as pl

from z1.efforts import without_efforts
from z1.errors import InputError
from z1.models import as_base, load_tokenizer
from z1.records import EXAMPLE, PROBLEM, scan
from z1.rounds import CHECKABLE, judge_rounds
from z1.stages import Metrics, Work
from z1.training.job import Job
from z1.training.launch import run_job
from z1.training.rows import Divide, sft_rows, show_loss_mask, whole
from z1.training.variants import answer_text, masked, stopped, tagged, with_opening

USES = ("seed", "efforts", "model")


def run(work: Work) -> Metrics:
    """Write the trained model folder. Raises InputError if no example fits ``max_length``."""
    examples = scan(work.inputs["examples"], EXAMPLE).collect()
    efforts = examples["effort"].null_count() == 0
    start = str(work.inputs["model"]) if "model" in work.inputs else work.recipe.model
    tokenizer = load_tokenizer(start, work.recipe.efforts if efforts else None)
    if not efforts:
        tokenizer.chat_template = without_efforts(tokenizer.chat_template)
    counts: Counter[str] = Counter()
    divide: Divide = whole
    if stop := work.section.stop:
        answers = _read_answers(work, examples)
        if all(answer is None for answer in answers.values()):
            raise InputError(
                f"{work.step}: no problem's reference answer is a text or a number, so there is "
                "none to teach; leave out 'stop'"
            )
        divide = stopped(stop, work.recipe.window.hint, answers, work.recipe.seed, counts)
    if tags := work.section.tags:
        tokenizer.chat_template = with_opening(tokenizer.chat_template, tags)
        divide = tagged(tags, _read_answers(work, examples))
    if work.section.mask_wrong_rounds:
        divide = masked(_judge_rounds(work, examples), counts)
    rows, too_long = sft_rows(
        tokenizer, examples.iter_rows(named=True), work.section.max_length, divide
    )
    if not rows:
        raise InputError(
            f"{work.step}: all {too_long} examples are longer than max_length, "
            f"{work.section.max_length} tokens; raise it"
        )
    print(show_loss_mask(tokenizer, rows[0]), flush=True)
    job = Job("sft", as_base(start), tokenizer, rows, work.section, work.recipe.seed, efforts)
    trained = run_job(job, work.output, work.report, work.keep, work.on_nodes)
    counted = "rounds" if work.section.mask_wrong_rounds else "replies"
    details = trained | ({counted: dict(counts)} if counts else {})
    return Metrics(len(rows), {"longer than max_length": too_long}, details, "examples")


def _read_answers(work: Work, examples: pl.DataFrame) -> dict[str, str | None]:
    """Return the reference answer of each example's problem as text, or None if it is no text."""
    known = _read_problems(work, examples)
    return {
        name: None if text is None else answer_text(text)
        for name, text in known.select("id", "answer").iter_rows()
    }


def _judge_rounds(
    work: Work, examples: pl.DataFrame
) -> dict[tuple[str, str], list[tuple[str, bool]]]:
    """Return the rounds of each problem's text. Raises InputError if none can be checked."""
    known = _read_problems(work, examples).filter(pl.col("verifier").is_in(CHECKABLE))
    references = {
        name: (verifier, answer)
        for name, verifier, answer in known.select("id", "verifier", "answer").iter_rows()
    }
    replies = list(dict.fromkeys(examples.select("problem_id", "text").iter_rows()))
    checkable = [(name, text) for name, text in replies if name in references]
    if not checkable:
        raise InputError(
            f"{work.step}: no problem has a reference answer to check rounds by; leave out "
            "'mask_wrong_rounds'"
        )
    judged = judge_rounds(
        [text for _, text in checkable], [references[name] for name, _ in checkable]
    )
    unchecked = {(name, text): [(text, True)] for name, text in replies}
    return unchecked | dict(zip(checkable, judged, strict=True))


def _read_problems(work: Work, examples: pl.DataFrame) -> pl.DataFrame:
    """Return the problems of the examples.

    Raises InputError if there are no problems, or one of the examples' is missing.
    """
    if "problems" not in work.inputs:
        raise InputError(
            f"{work.step}: 'stop', 'tags' and 'mask_wrong_rounds' go by the reference answers, so "
            "give the input 'problems', the output of the problems stage"
        )
    asked = examples["problem_id"].unique().to_list()
    known = scan(work.inputs["problems"], PROBLEM).filter(pl.col("id").is_in(asked)).collect()
    if missing := set(asked) - set(known["id"]):
        raise InputError(
            f"{min(missing)}: {len(missing)} examples are of problems that are not in the input "
            "'problems'; give the problems that they were made from"
        )
    return known
