"""What test_plugin.py checks, in vLLM's own environment: real loaders, interfaces and updates."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vllm import SamplingParams
from vllm.exceptions import VLLMValidationError
from vllm.sampling_params import StructuredOutputsParams
from vllm.v1.sample.logits_processor import (
    BatchUpdateBuilder,
    MoveDirectionality,
    build_logitsprocs,
    validate_logits_processors_parameters,
)
from vllm.v1.worker.gpu import buffer_utils
from vllm.v1.worker.gpu.sample.logits_processor import (
    LogitsContext,
    build_custom_logits_processors,
    build_custom_logits_processors_params_validator,
)
from vllm.v1.worker.gpu.states import RequestState

from z1.serving.carried import settled
from z1.serving.plugin import V1Windows, V2Windows
from z1.window import Window

VOCABULARY = 40
HINT = (31, 32, 33)
CPU = torch.device("cpu")


def config(ahead=False, speculative=None):
    return SimpleNamespace(
        scheduler_config=SimpleNamespace(max_num_seqs=16, async_scheduling=ahead),
        model_config=SimpleNamespace(get_vocab_size=lambda: VOCABULARY),
        speculative_config=speculative,
    )


def asks(budget, hint=HINT, limit=100, delimiter=(), **more):
    window = {"budget": budget, "hint": list(hint), "reserve": 2, "delimiter": list(delimiter)}
    return SamplingParams(max_tokens=limit, extra_args={"z1_window": window}, **more)


PLAIN = SamplingParams(max_tokens=100)


def v1(**settings):
    made = build_logitsprocs(config(**settings), CPU, False, False)
    (windows,) = [one for one in made.non_argmax_invariant if isinstance(one, V1Windows)]
    return windows


def forced_in(logits):
    """The only possible token of each row, or None."""
    finite = torch.isfinite(logits)
    return [int(row.int().argmax()) if row.sum() == 1 else None for row in finite]


# The V1 runner


def test_v1_forces_the_hint_at_exactly_the_budget_and_nothing_else():
    windows, reply = v1(), []
    updates = BatchUpdateBuilder(added=[(0, asks(2), [9], reply)])
    windows.update_state(updates.get_and_reset(1))
    seen = []
    for _ in range(8):
        seen += forced_in(windows.apply(torch.zeros(1, VOCABULARY)))
        reply.append(-1)  # as with asynchronous scheduling, where ids come later
        windows.update_state(None)
    assert seen == [None, None, *HINT, None, None, None]


def test_v1_follows_requests_through_a_random_life_of_a_batch():
    rng = random.Random(0)
    windows, rows = v1(), {}  # row -> (budget or None, reply)
    started = closed = 0
    for _ in range(2000):
        updates = BatchUpdateBuilder()
        for row in [row for row in rows if rng.random() < 0.05]:
            del rows[row]
            updates.removed_append(row)
        while rng.random() < 0.4 and len(rows) < 12:
            row = updates.pop_removed()
            row = len(rows) if row is None else row
            if row in rows:
                break
            budget = rng.choice([None, 0, 1, 3, 7])
            # A preempted request comes back with what it had.
            reply = [5] * rng.choice([0, 0, 2, 9])
            params = PLAIN if budget is None else asks(budget)
            rows[row] = (budget, reply)
            updates.added.append((row, params, [9], reply))
            started += 1
        for gap in sorted(updates.removed):  # close gaps from the end, as the runner does
            last = max(rows, default=-1)
            if last > gap:
                rows[gap] = rows.pop(last)
                updates.moved.append((last, gap, MoveDirectionality.UNIDIRECTIONAL))
        if len(rows) > 1 and rng.random() < 0.3:
            a, b = rng.sample(sorted(rows), 2)
            rows[a], rows[b] = rows[b], rows[a]
            updates.moved.append((a, b, MoveDirectionality.SWAP))
        windows.update_state(updates.get_and_reset(len(rows)))
        height = max(rows, default=-1) + 1
        forced = forced_in(windows.apply(torch.zeros(height, VOCABULARY)))
        for row, (budget, reply) in rows.items():
            expected = None if budget is None else Window(budget, HINT).forced(reply)
            assert forced[row] == expected
            closed += expected == HINT[-1]
            reply.append(5 if expected is None else expected)
    assert started > 300
    assert closed > 100


def test_v1_returns_at_once_where_no_request_has_a_window():
    windows = v1()
    windows.update_state(BatchUpdateBuilder(added=[(0, PLAIN, [9], [])]).get_and_reset(1))
    assert windows.rows == {}
    logits = torch.zeros(1, VOCABULARY)
    assert windows.apply(logits) is logits


def test_v1_leaves_a_reply_alone_that_wrote_its_delimiter():
    windows = v1()
    replies = [[1, 2, 3], [1, 4, 3]]
    added = [(i, asks(3, delimiter=(2, 3)), [9], reply) for i, reply in enumerate(replies)]
    windows.update_state(BatchUpdateBuilder(added=added).get_and_reset(2))
    assert forced_in(windows.apply(torch.zeros(2, VOCABULARY))) == [None, HINT[0]]


def test_v1_says_so_where_a_delimiter_cannot_be_seen():
    updates = BatchUpdateBuilder(added=[(0, asks(3, delimiter=(2,)), [9], [])])
    with pytest.raises(RuntimeError, match="async_scheduling=False"):
        v1(ahead=True).update_state(updates.get_and_reset(1))


# The V2 runner


@pytest.fixture
def requests(monkeypatch):
    """The runner's own state of requests; without a GPU there is no memory that both sides see."""
    monkeypatch.setattr(buffer_utils, "is_uva_available", lambda: False)
    return RequestState(
        max_num_reqs=16,
        max_model_len=64,
        max_num_batched_tokens=64,
        num_speculative_steps=0,
        vocab_size=VOCABULARY,
        device=CPU,
    )


def v2(requests, **settings):
    (windows,) = build_custom_logits_processors(config(**settings), requests, False)
    assert isinstance(windows, V2Windows)
    return windows


def add(windows, requests, params, prompt, reply=()):
    """Take a request in as the runner does, and return its slot."""
    name = f"r{len(requests.req_id_to_index)}-{random.random()}"
    ids = [*prompt, *reply]
    requests.add_request(name, len(prompt), ids, 0, 100)
    slot = requests.req_id_to_index[name]
    requests.all_token_ids.gpu[slot, : len(ids)] = torch.tensor(ids, dtype=torch.int32)
    return name, slot, windows.add_request(slot, params)


def context(slots, lengths, padding=0):
    rows = torch.tensor(slots)
    return LogitsContext(
        expanded_idx_mapping=rows,
        idx_mapping=rows,
        idx_mapping_np=np.array(slots, dtype=np.intp),
        expanded_local_pos=torch.zeros(len(slots), dtype=torch.int32),
        input_ids=torch.zeros(len(slots), dtype=torch.int32),
        pos=torch.tensor(lengths) - 1,
        seq_lens_upper_bound_np=np.array([*lengths, *[0] * padding], dtype=np.int32),
    )


def test_v2_forces_the_hint_at_exactly_the_budget_and_nothing_else(requests):
    windows = v2(requests)
    _, first, takes = add(windows, requests, asks(2), [9, 9, 9])
    _, second, others = add(windows, requests, PLAIN, [9])
    assert (takes, others) == (True, False)
    seen = []
    for spent in range(8):
        slots = [second, first] if spent % 2 else [first, second]  # rows change every step
        lengths = [1 + spent if slot == second else 3 + spent for slot in slots]
        ctx = context(slots, lengths, padding=3)
        forced = forced_in(windows.apply(torch.zeros(2, VOCABULARY), ctx))
        assert forced[slots.index(second)] is None
        seen.append(forced[slots.index(first)])
    assert seen == [None, None, *HINT, None, None, None]


def test_v2_goes_on_after_preemption_where_a_reply_was(requests):
    windows = v2(requests)
    name, _, _ = add(windows, requests, asks(2), [9, 9])
    requests.remove_request(name)
    _, slot, _ = add(windows, requests, asks(2), [9, 9], reply=[5, 5, HINT[0]])
    ctx = context([slot], [5])
    assert forced_in(windows.apply(torch.zeros(1, VOCABULARY), ctx)) == [HINT[1]]


def test_v2_gives_a_slot_to_the_next_request(requests):
    windows = v2(requests)
    name, slot, _ = add(windows, requests, asks(0), [9])
    requests.remove_request(name)
    _, again, takes = add(windows, requests, PLAIN, [9])
    assert (again, takes) == (slot, False)
    logits = windows.apply(torch.zeros(1, VOCABULARY), context([slot], [1]))
    assert forced_in(logits) == [None]


def test_v2_leaves_a_reply_alone_that_wrote_its_delimiter(requests):
    windows = v2(requests)
    slots = [
        add(windows, requests, asks(3, delimiter=(2, 3)), [2, 3], reply)[1]
        for reply in ([1, 2, 3], [1, 4, 3], [3, 3, 2])
    ]
    logits = torch.arange(3.0 * VOCABULARY).reshape(3, VOCABULARY)
    kept = logits.clone()
    windows.apply(logits, context(slots, [5, 5, 5]))
    assert forced_in(logits) == [None, HINT[0], HINT[0]]
    assert torch.equal(logits[0], kept[0])


def test_v2_does_not_pretend_to_go_with_speculative_decoding(requests):
    with pytest.raises(RuntimeError, match="speculative"):
        add(v2(requests, speculative=object()), requests, asks(2), [9])


# Both


def validators():
    return [
        lambda params: validate_logits_processors_parameters(None, params),
        build_custom_logits_processors_params_validator(None),
    ]


@pytest.mark.parametrize("validate", validators())
@pytest.mark.parametrize(
    ("params", "message"),
    [
        (asks(-1), "send a whole number"),
        (asks("5"), "send a whole number"),
        (asks(5.0), "send a whole number"),
        (asks(True), "send a whole number"),
        (asks(96), "give a budget of at most 95"),
        (asks(10**15), "give a budget of at most 95"),
        (asks(3, limit=4), "give a limit of at least 8"),
        (asks(3, stop_token_ids=[32]), "in the hint"),
        (asks(3, structured_outputs=StructuredOutputsParams(regex="a")), "leave one out"),
    ],
)
def test_a_bad_window_is_refused_before_it_reaches_the_engine(validate, params, message):
    with pytest.raises(VLLMValidationError, match=message):
        validate(params)


@pytest.mark.parametrize("validate", validators())
def test_what_a_default_budget_became_is_told(validate):
    params = asks(500)
    params.extra_args["z1_window"]["ticket"] = "t"
    settled["t"] = 0
    validate(params)
    validate(PLAIN)
    assert settled.pop("t") == 95


def test_a_hint_that_the_model_does_not_know_harms_no_other_request():
    windows = v1()
    added = [(0, asks(0, hint=[VOCABULARY]), [9], []), (1, asks(0), [9], [])]
    windows.update_state(BatchUpdateBuilder(added=added).get_and_reset(2))
    assert forced_in(windows.apply(torch.zeros(2, VOCABULARY))) == [None, HINT[0]]
