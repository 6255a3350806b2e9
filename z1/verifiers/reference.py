"""What verifiers say of references and answers."""

import json
from typing import Any

_LONGEST = 60


class AnswerError(ValueError):
    """A reference answer cannot be used by its verifier; the reply is not to blame."""


def shown(value: Any) -> str:
    """Return a value as short text for a message."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return f"'{text[:_LONGEST]}…'" if len(text) > _LONGEST else f"'{text}'"
