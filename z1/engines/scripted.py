"""The scripted teacher: a program that works out sums at the effort it is asked for.

Asked for no effort, it takes as much as the sum needs, as a large model left to itself would: two
numbers it adds at once, three or four step by step, and of more it checks the sum.

It stands in for a large reasoning model on a machine that cannot run one; the TOPS paper allows
seed replies written by people. Its solutions are real: see ``z1.tiny.sums``.
"""

import random
from collections.abc import Sequence

from z1.engines import Reply, Request, derive_seed
from z1.errors import InputError
from z1.models import load_tokenizer
from z1.recipe import BaseModelSection
from z1.records import EFFORTS
from z1.tiny.sums import parse_sum, solve


class ScriptedTeacher:
    """Answers sums; counts tokens with the base model's tokenizer."""

    def __init__(self, slip: float, model: BaseModelSection) -> None:
        self.slip = slip
        self.tokenizer = load_tokenizer(model)

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order. Raises InputError for a prompt that is no sum."""
        texts = []
        for number, request in enumerate(requests):
            terms = parse_sum(request.prompt)
            if terms is None:
                raise InputError(
                    "the scripted teacher knows sums such as '23 + 45 - 7' only, not "
                    f"{request.prompt!r}; choose another engine under teacher.engine"
                )
            rng = random.Random(derive_seed(seed, number))
            effort = request.effort or EFFORTS[(len(terms) > 2) + (len(terms) > 4)]
            texts.append(solve(terms, effort, rng, self.slip))
        tokens = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [Reply(text, len(ids), "stop") for text, ids in zip(texts, tokens, strict=True)]
