import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.utils.chat_template_utils import render_jinja_template

from z1.efforts import expects_effort, with_efforts, without_efforts, write_card
from z1.errors import InputError
from z1.recipe import EffortPrompts

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
PROMPTS = EffortPrompts(low="be quick", medium="take steps", high="check all")
USER = {"role": "user", "content": "1 + 2"}


def render(template, messages, **options):
    return render_jinja_template([messages], chat_template=template, **options)[0][0]


def test_the_effort_asked_for_comes_first():
    template = with_efforts(PLAIN, PROMPTS)
    for effort, prompt in PROMPTS:
        rendered = render(template, [USER], reasoning_effort=effort)
        assert rendered == f"<system>{prompt}</><user>1 + 2</>"


def test_without_an_effort_the_model_is_asked_for_medium():
    template = with_efforts(PLAIN, PROMPTS)
    assert render(template, [USER]).startswith("<system>take steps</>")
    assert render(template, [USER], reasoning_effort=None).startswith("<system>take steps</>")


def test_the_users_own_system_message_stays():
    system = {"role": "system", "content": "Speak French."}
    rendered = render(with_efforts(PLAIN, PROMPTS), [system, USER], reasoning_effort="low")
    assert rendered == "<system>be quick\n\nSpeak French.</><user>1 + 2</>"


def test_an_unknown_effort_is_refused_by_name():
    with pytest.raises(Exception, match="low, medium, high, not 'extreme'"):
        render(with_efforts(PLAIN, PROMPTS), [USER], reasoning_effort="extreme")


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@given(text, text, text)
def test_any_prompt_survives_the_template(low, medium, high):
    template = with_efforts(PLAIN, EffortPrompts(low=low, medium=medium, high=high))
    assert render(template, [USER], reasoning_effort="high").startswith(f"<system>{high}</>")
    assert without_efforts(template) == PLAIN


def test_new_prompts_take_the_place_of_old_ones():
    again = with_efforts(with_efforts(PLAIN, PROMPTS), PROMPTS)
    assert again == with_efforts(PLAIN, PROMPTS)
    assert without_efforts(PLAIN) == PLAIN


def test_a_model_folder_says_whether_it_expects_an_effort(tmp_path):
    assert not expects_effort(str(tmp_path))
    assert not expects_effort("some/hub-id")
    write_card(tmp_path, True)
    assert expects_effort(str(tmp_path))
    (tmp_path / "z1.json").write_text("{")
    with pytest.raises(InputError, match=r"z1\.json"):
        expects_effort(str(tmp_path))
