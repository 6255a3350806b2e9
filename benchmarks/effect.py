"""Is the effect of thinking-optimal selection real? The demo over several training seeds and mixes.

Runs recipes/demo.yaml, and the same recipe on two other mixes of problems that nothing was tuned
on, each over several training seeds, and writes one Markdown table:

    python benchmarks/effect.py --seeds 0 1 2 --output docs/results.md

The runs are kept under ``runs/`` and gone on with when called again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


def _sums(dataset: str, digits: int, counts: dict[int, int], **config: Any) -> list[dict[str, Any]]:
    return [
        {
            "kind": "procedural",
            "dataset": dataset,
            "config": {
                **config,
                "min_terms": terms,
                "max_terms": terms,
                "min_digits": digits,
                "max_digits": digits,
            },
            "prompt": "{expression}",
            "difficulty": f"{terms} numbers",
            "count": count,
        }
        for terms, count in counts.items()
    ]


# Written down before any model was trained on any of them.
MIXES: dict[str, tuple[str, list[dict[str, Any]] | None]] = {
    "demo": ("the demo: sums of two to six two-digit numbers, many easy, few hard", None),
    "signs": (
        "sums and differences of two to six two-digit numbers, as many of each length",
        _sums("chain_sum", 2, dict.fromkeys(range(2, 7), 1200)),
    ),
    "digits": (
        "sums and differences of four, six and eight one-digit numbers, as many of each length",
        _sums("chain_sum", 1, {4: 2000, 6: 2000, 8: 2000}),
    ),
}
