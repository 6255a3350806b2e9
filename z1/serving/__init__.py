"""Serving a model with the thinking window: a plug-in for vLLM, and vLLM's server around it."""
