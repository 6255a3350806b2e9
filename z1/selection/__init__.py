"""What is kept for training: a file for each rule."""

from z1.selection import pairs, random_right, seed_set, shortest, token_budget
from z1.selection.rule import Rule

RULES: dict[str, Rule] = {
    "seed": seed_set.RULE,
    "shortest": shortest.RULE,
    "random": random_right.RULE,
    "pairs": pairs.RULE,
    "tokens": token_budget.RULE,
}
