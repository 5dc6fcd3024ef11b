"""Arrays of one's own: any named float inputs of fixed shapes, and classes."""

from gapsack.models.tasks.dense.task import TASK, DenseTask

__all__ = ["TASK", "DenseTask"]
