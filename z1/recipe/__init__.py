"""The recipe: one YAML file that holds every choice of a run.

A section is one part of the file. Unknown keys are refused, so that a misspelt choice is an error
and never silently a default.
"""

from z1.recipe.deployment import (
    Deployment,
    EffortBudgets,
    ServingPool,
    SmokeProblem,
    Toleration,
)
from z1.recipe.evaluation import OWN_MODELS, Baseline, Evaluation, Gate, Judge
from z1.recipe.problems import (
    AnySource,
    BenchmarkSource,
    Decontamination,
    FileSource,
    HubSource,
    HuggingFaceSource,
    Problems,
    ProceduralSource,
    QuestionsSource,
    Source,
    Splits,
)
from z1.recipe.publishing import Publish
from z1.recipe.reading import find_recipe, load_recipe, parse_recipe, write_recipe
from z1.recipe.retraining import Retrain, RetrainingMode
from z1.recipe.sampling import (
    BaseModelSection,
    EffortPrompts,
    Endpoint,
    Engine,
    Sampling,
    Teacher,
    ThinkingWindow,
)
from z1.recipe.section import Section, find_local_paths
from z1.recipe.selection import Filter, Selection, Verify
from z1.recipe.training import (
    DpoTraining,
    Lora,
    SftTraining,
    Stop,
    Tags,
    Training,
    TrainingNode,
    Trainings,
)
from z1.recipe.whole import METHODS, Recipe

__all__ = [
    "METHODS",
    "OWN_MODELS",
    "AnySource",
    "BaseModelSection",
    "Baseline",
    "BenchmarkSource",
    "Decontamination",
    "Deployment",
    "DpoTraining",
    "EffortBudgets",
    "EffortPrompts",
    "Endpoint",
    "Engine",
    "Evaluation",
    "FileSource",
    "Filter",
    "Gate",
    "HubSource",
    "HuggingFaceSource",
    "Judge",
    "Lora",
    "Problems",
    "ProceduralSource",
    "Publish",
    "QuestionsSource",
    "Recipe",
    "Retrain",
    "RetrainingMode",
    "Sampling",
    "Section",
    "Selection",
    "ServingPool",
    "SftTraining",
    "SmokeProblem",
    "Source",
    "Splits",
    "Stop",
    "Tags",
    "Teacher",
    "ThinkingWindow",
    "Toleration",
    "Training",
    "TrainingNode",
    "Trainings",
    "Verify",
    "find_local_paths",
    "find_recipe",
    "load_recipe",
    "parse_recipe",
    "write_recipe",
]
