"""The section that says how the model in service is trained further."""

from typing import Literal

from z1.recipe.section import Count, Section

RetrainingMode = Literal["iteration", "full"]


class Retrain(Section):
    """How the model in service is trained again once there are more problems."""

    mode: RetrainingMode | None = None
    """``iteration`` goes on from the model in service, which answers the problems added since as
    ``iterate`` says; ``full`` starts again from the base, with all problems. If absent it is
    ``iteration`` where ``tops``, ``iter-sft`` or ``iter-dpo`` is published, else ``full``."""
    method: Literal["sft", "dpo"] = "sft"
    """TOPS: how an iteration trains: on the shortest right replies, as ``train.iter_sft`` says, or
    on preference pairs, as ``train.iter_dpo`` says."""
    min_problems: Count = 100
    """The fewest added problems worth a retraining, those of the evaluation not counted; with fewer
    it does nothing."""
