"""Fine-tune a model on examples. Inputs: ``examples``; ``model``, or the recipe's base without it.

Examples with an effort make a tag model, which carries the effort prompts in its chat template.
"""

from z1.efforts import without_efforts
from z1.errors import InputError
from z1.models import load_model, load_tokenizer
from z1.records import EXAMPLE, scan
from z1.stages import Metrics, Work
from z1.training.rows import sft_rows, show_loss_mask
from z1.training.trainers import save_model, train_sft

USES = ("seed", "efforts", "model")


def run(work: Work) -> Metrics:
    """Write the trained model folder. Raises InputError if no example fits ``max_length``."""
    examples = scan(work.inputs["examples"], EXAMPLE).collect()
    efforts = examples["effort"].null_count() == 0
    start = str(work.inputs["model"]) if "model" in work.inputs else work.recipe.model
    tokenizer = load_tokenizer(start, work.recipe.efforts if efforts else None)
    if not efforts:
        tokenizer.chat_template = without_efforts(tokenizer.chat_template)
    rows, too_long = sft_rows(tokenizer, examples.iter_rows(named=True), work.section.max_length)
    if not rows:
        raise InputError(
            f"{work.step}: all {too_long} examples are longer than max_length, "
            f"{work.section.max_length} tokens; raise it"
        )
    print(show_loss_mask(tokenizer, rows[0]), flush=True)
    # Adapters go beside frozen weights; trained weights stay float32 and only compute is lower.
    model = load_model(start, work.section.dtype if work.section.lora else "float32")
    trained = train_sft(
        model, tokenizer, rows, work.section, work.output, work.recipe.seed, work.report
    )
    save_model(trained.pop("model"), tokenizer, work.output, efforts)
    return Metrics(len(rows), {"longer than max_length": too_long}, trained)
