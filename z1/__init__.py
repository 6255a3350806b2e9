"""Reasoning models that think only as long as a problem needs: train, evaluate, serve."""

__version__ = "0.1.0"
