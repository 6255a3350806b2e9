"""The fields that `z1 serve` adds to a request, put into what vLLM understands.

``reasoning_effort`` (low, medium or high) gives the budget that the server was started with, and
goes on to the chat template of a model trained with effort prompts. ``thinking_token_budget`` (a
whole number; 0 asks for the answer at once) overrides that budget. With neither there is no window.
"""

from typing import Any, NamedTuple
from uuid import uuid4

from z1.records import EFFORTS
from z1.serving.carried import FIELD, Carried, read, whole, write
from z1.serving.settings import Settings
from z1.window import Window

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"


class BadRequestError(ValueError):
    """A request that cannot be served, with what to send instead: HTTP 400."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Asked(NamedTuple):
    """What is left to know about a request when its reply comes."""

    chat: bool
    stream: bool
    carried: Carried | None
    token_ids: bool
    """Whether the client itself wants the token ids."""
    stops: tuple[str, ...]
    special: bool
    """Whether special tokens are part of the text."""
    stop_stays: bool
    """Whether a stop string is part of the text."""
    usage: bool
    """Whether a stream has a chunk of token counts."""


def rewrite(body: dict[str, Any], path: str, settings: Settings) -> Asked:
    """Put the window of a request into ``body``, as vLLM takes it. Raises BadRequestError."""
    chat = path == CHAT
    carried = _carried(body, chat, settings)
    if chat and not settings.efforts:
        body.pop("reasoning_effort", None)
    stops = body.get("stop") or []
    options = body.get("stream_options")
    asked = Asked(
        chat=chat,
        stream=bool(body.get("stream")),
        carried=carried,
        token_ids=bool(body.get("return_token_ids")),
        stops=(stops,) if isinstance(stops, str) else tuple(map(str, stops)),
        special=body.get("skip_special_tokens") is False,
        stop_stays=bool(body.get("include_stop_str_in_output")),
        usage=isinstance(options, dict) and bool(options.get("include_usage")),
    )
    if carried is not None:
        _check(body, asked, settings)
        body["vllm_xargs"] = {**(body.get("vllm_xargs") or {}), FIELD: write(carried)}
        body["return_token_ids"] = True
    return asked


def _carried(body: dict[str, Any], chat: bool, settings: Settings) -> Carried | None:
    budget = body.pop("thinking_token_budget", None)
    effort = body.get("reasoning_effort")
    if effort is not None and not chat:
        raise BadRequestError(
            f"{COMPLETIONS} has no reasoning_effort; send thinking_token_budget, or a "
            f"conversation to {CHAT}",
            "reasoning_effort",
        )
    if effort is not None and effort not in EFFORTS:
        raise BadRequestError(
            f"reasoning_effort is {effort!r}; send {', '.join(EFFORTS[:-1])} or {EFFORTS[-1]}",
            "reasoning_effort",
        )
    given = body.get("vllm_xargs") or {}
    if not isinstance(given, dict):
        raise BadRequestError("vllm_xargs: send an object, or leave it out", "vllm_xargs")
    if FIELD in given:
        if budget is not None:
            raise BadRequestError(f"send thinking_token_budget or {FIELD}, not both", FIELD)
        return _given(given, settings)
    if budget is not None:
        try:
            number = whole(budget, "thinking_token_budget")
        except ValueError as error:
            raise BadRequestError(
                f"{error}, or leave it out for the budget of the effort", "thinking_token_budget"
            ) from error
        return Carried(Window(number, settings.hint), settings.window.reserve)
    if effort is not None:
        window = Window(settings.budgets[effort], settings.hint)
        return Carried(window, settings.window.reserve, ticket=uuid4().hex)
    return None


def _given(extra: dict[str, Any], settings: Settings) -> Carried | None:
    """Return a window that the client made itself."""
    try:
        carried = read(extra)
    except ValueError as error:
        raise BadRequestError(str(error), FIELD) from error
    if carried is None:
        return None
    if carried.window.delimiter or carried.ticket is not None:
        raise BadRequestError(
            f"{FIELD} has budget, hint and reserve alone here; leave the rest out", FIELD
        )
    if max(carried.window.hint) >= len(settings.tokenizer):
        raise BadRequestError(
            f"{FIELD}.hint: send token ids of this model, below {len(settings.tokenizer)}", FIELD
        )
    return carried


def _check(body: dict[str, Any], asked: Asked, settings: Settings) -> None:
    """Refuse what a reply in two parts cannot be combined with."""
    formatted = body.get("response_format")
    kind = formatted.get("type") if isinstance(formatted, dict) else None
    others = {
        "tools": body.get("tools") and body.get("tool_choice") != "none",
        "response_format": formatted is not None and kind != "text",
        "structured_outputs": body.get("structured_outputs"),
        "use_beam_search": body.get("use_beam_search"),
        "echo": body.get("echo"),
    }
    for field, used in others.items():
        if used:
            raise BadRequestError(
                f"{field} and a thinking budget do not go together; leave out {field}, or both "
                "reasoning_effort and thinking_token_budget",
                field,
            )
    assert asked.carried is not None
    text = settings.tokenizer.decode(asked.carried.window.hint)
    for stop in asked.stops:
        if stop in text:
            raise BadRequestError(
                f"stop: {stop!r} is in the hint {text!r} and would end the reply before its "
                "answer; leave it out",
                "stop",
            )
