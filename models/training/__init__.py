"""Training a model: what is computed (`Recipe`) and the machine that computes it (`Trainer`).

TensorFlow and JAX run the same code; the Keras backend decides. Importing this package imports neither.
"""

from gapsack.models.training.pruning import Pruning, PruningSchedule
from gapsack.models.training.recipe import Recipe
from gapsack.models.training.trainer import Trainer

__all__ = ["Pruning", "PruningSchedule", "Recipe", "Trainer"]
