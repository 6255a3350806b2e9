"""The pipelines: which step follows which."""
