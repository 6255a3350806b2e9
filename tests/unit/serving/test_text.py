"""Text that comes token by token is the text of all tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.models import load_tokenizer
from z1.serving.text import Decoder

TOKENIZER = load_tokenizer("tiny")


@given(st.text(max_size=20), st.integers(1, 4))
def test_pieces_make_the_whole_text(text, size):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    decoder = Decoder(TOKENIZER, special=False)
    pieces = [decoder.push(ids[i : i + size]) for i in range(0, len(ids), size)]
    assert "".join(pieces) + decoder.finish([]) == TOKENIZER.decode(ids, skip_special_tokens=True)


def test_a_character_of_several_tokens_comes_when_it_is_whole():
    ids = TOKENIZER("é", add_special_tokens=False)["input_ids"]
    assert len(ids) == 2
    decoder = Decoder(TOKENIZER, special=False)
    assert [decoder.push([id]) for id in ids] == ["", "é"]


@pytest.mark.parametrize(("stays", "expected"), [(False, "12="), (True, "12=34")])
def test_a_stop_string_is_never_begun(stays, expected):
    decoder = Decoder(TOKENIZER, special=False, stops=["34"])
    ids = TOKENIZER("12=34", add_special_tokens=False)["input_ids"]
    text = "".join(decoder.push([id]) for id in ids[:-1])
    assert text == "12="
    assert text + decoder.finish(ids[-1:], "34", stays) == expected
