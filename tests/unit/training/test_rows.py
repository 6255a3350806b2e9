import pytest

from z1.models import encode_prompt, load_tokenizer
from z1.recipe import BaseModelSection
from z1.training.rows import IGNORED, dpo_rows, sft_rows, show_loss_mask

# A template that goes on after a reply, as ChatML's newline does.
TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer(demo):
    tokenizer = load_tokenizer(BaseModelSection(path="tiny"))
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def example(**changes):
    return {"prompt": "1 + 2", "text": "1+2=3\n3", "effort": None, **changes}


def test_loss_covers_the_reply_and_its_end_token_alone(tokenizer):
    [row], _ = sft_rows(tokenizer, [example()], 100)
    learnt = [token for token in row["labels"] if token != IGNORED]
    assert tokenizer.decode(learnt) == "1+2=3\n3<|end|>"
    assert row["input_ids"][-len(learnt) :] == learnt


def test_the_prompt_is_the_one_seen_at_inference(tokenizer):
    [row], _ = sft_rows(tokenizer, [example()], 100)
    prompt = encode_prompt(tokenizer, "1 + 2", None)
    assert row["input_ids"][: len(prompt)] == prompt
    assert row["labels"][: len(prompt)] == [IGNORED] * len(prompt)


def test_an_effort_puts_its_prompt_before(demo):
    tokenizer = load_tokenizer(BaseModelSection(path="tiny"), demo.efforts)
    [row], _ = sft_rows(tokenizer, [example(effort="high")], 100)
    assert tokenizer.decode(row["input_ids"]).startswith(
        f"<|system|>{demo.efforts.high}<|end|><|user|>"
    )


def test_rows_too_long_are_counted_and_never_cut(tokenizer):
    [row], _ = sft_rows(tokenizer, [example()], 100)
    exactly = len(row["input_ids"])
    assert sft_rows(tokenizer, [example()], exactly) == ([row], 0)
    assert sft_rows(tokenizer, [example()], exactly - 1) == ([], 1)


def test_pairs_share_their_prompt_and_end(tokenizer):
    pair = {"prompt": "1 + 2", "chosen": "3", "rejected": "1+2=4\n4"}
    [row], _ = dpo_rows(tokenizer, [pair], 100)
    assert row["prompt_ids"] == encode_prompt(tokenizer, "1 + 2", None)
    assert tokenizer.decode(row["chosen_ids"]) == "3<|end|>"
    assert tokenizer.decode(row["rejected_ids"]) == "1+2=4\n4<|end|>"
    length = len(row["prompt_ids"]) + len(row["rejected_ids"])
    assert dpo_rows(tokenizer, [pair], length - 1) == ([], 1)


def test_the_log_shows_what_is_learnt(tokenizer):
    [row], _ = sft_rows(tokenizer, [example()], 100)
    read, learnt = show_loss_mask(tokenizer, row).splitlines()[1:]
    assert "1 + 2" in read
    assert "1+2=3" not in read
    assert "1+2=3" in learnt
