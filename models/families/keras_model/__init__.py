"""Keras models of one's own: any function that makes one for a task's inputs."""

from gapsack.models.families.keras_model.family import FAMILY

__all__ = ["FAMILY"]
