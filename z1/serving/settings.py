"""What a server was started with, and the model's own side of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from z1.efforts import expects_effort
from z1.engines.windows import Windows
from z1.models import as_base, load_tokenizer, stop_tokens
from z1.recipe import ThinkingWindow
from z1.records import EFFORTS


@dataclass(frozen=True)
class Settings:
    """The thinking window of a server."""

    model: str
    """Folder or hub id."""
    window: ThinkingWindow
    hint: tuple[int, ...]
    """The window's hint in the model's tokens."""
    budgets: Mapping[str, int]
    """Default budget of each effort, in tokens."""
    efforts: bool
    """Whether the model was trained with effort prompts."""
    tokenizer: Any

    def describe(self) -> dict[str, Any]:
        """Return what ``GET /z1`` answers."""
        return {
            "window": {
                "hint": self.window.hint,
                "hint_tokens": len(self.hint),
                "reserve": self.window.reserve,
                "budgets": dict(self.budgets),
            }
        }


def make_settings(model: str, window: ThinkingWindow, budgets: Mapping[str, int]) -> Settings:
    """Look at a model (a folder, a hub id or ``tiny``) and turn the hint into its tokens.

    Raises InputError if there is no such model or the hint does not suit it.
    """
    assert set(budgets) == set(EFFORTS)
    path = as_base(model).path
    tokenizer = load_tokenizer(path)
    # The limit of a reply is another with each request: vLLM's side checks it.
    windows = Windows(window, tokenizer, stop_tokens(path, tokenizer), limit=0)
    return Settings(path, window, windows.hint, budgets, expects_effort(path), tokenizer)
