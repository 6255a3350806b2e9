"""The kinds of node that steps run on, and the container image of each."""

CPU_IMAGE = "z1-cpu"
"""Tables and verifiers; no model is loaded."""
SAMPLING_IMAGE = "z1-vllm"
"""Text is sampled from models."""
TRAINING_IMAGE = "z1-train"
"""Models are trained."""
