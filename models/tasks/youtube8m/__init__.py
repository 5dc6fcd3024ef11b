"""YouTube-8M: the classes of a video from features of its frames, or from their mean."""

from gapsack.models.tasks.youtube8m.task import TASK, Level, YouTube8M

__all__ = ["TASK", "Level", "YouTube8M"]
