"""What is raised where models are trained and shipped."""

from __future__ import annotations

from gapsack.selection.errors import GapsackError


class TrainingError(GapsackError):
    """A trial cannot go on: a loss, or a score, that is not finite."""


class GraphError(GapsackError):
    """The one graph cannot be built, or does not agree with what was predicted of it."""
