"""Evaluation: what verified replies say of a model, with honest intervals, and the report of a run.

``metrics`` turns verified replies into figures, ``bootstrap`` puts an interval around the
difference of two models, ``comparison`` holds TOPS against its baseline, ``report`` joins all that
with the records of the stages into ``report.json``, and ``page`` and ``plots`` make of that the
page a person reads; ``figures`` writes the same for tools that compare runs.
"""

MODELS = {
    "base": "Base",
    "tag": "Tag",
    "random": "Random-right",
    "tops": "TOPS",
    "iter-sft": "Iter-SFT",
    "iter-dpo": "Iter-DPO",
    "z1": "Z1",
    "incumbent": "Incumbent",
}
"""The models of a run and the one in service, in the report's order, with the names for people."""
METHODS: dict[str | None, tuple[str, ...]] = {
    "tops": ("base", "tag", "random", "tops", "iter-sft", "iter-dpo"),
    "z1": ("base", "z1"),
    None: (),
}
"""The models that each method's pipeline tests; a trial of a model has no method."""
