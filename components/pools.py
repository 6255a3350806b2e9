"""The kinds of node that steps run on, and the container image of each."""

import json
from pathlib import Path

_PUSHED = Path(__file__).parent / "images" / "pushed.json"


def find_image(name: str, pushed: Path = _PUSHED) -> str:
    """Return an image's name: with its digest after `make push`, this machine's own before."""
    known: dict[str, str] = json.loads(pushed.read_text()) if pushed.is_file() else {}
    return known.get(name, name)


CPU_IMAGE = find_image("z1-cpu")
"""Tables and verifiers; no model is loaded."""
SAMPLING_IMAGE = find_image("z1-vllm")
"""Text is sampled from models."""
TRAINING_IMAGE = find_image("z1-train")
"""Models are trained."""
