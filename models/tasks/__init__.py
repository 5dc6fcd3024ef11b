"""Tasks: what goes into a model and what comes out, each a package here or of another project.

A task of the name `x` is the class `TASK` of `gapsack.models.tasks.x`, or what an entry point `x` of the group
`gapsack.tasks` names. Importing this package imports neither TensorFlow nor Keras.
"""

from gapsack.models.tasks.registry import names, task, task_from_dict
from gapsack.models.tasks.task import PREDICTIONS, Input, LabelKind, Task, View

__all__ = ["PREDICTIONS", "Input", "LabelKind", "Task", "View", "names", "task", "task_from_dict"]
