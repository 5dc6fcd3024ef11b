"""What makes an architecture a family: its hyperparameters, its tensors, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapsack.models.hyperparameters import Hyperparameter
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor, activations_of
from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from gapsack.models.layers.base import Network

Hyperparameters = Mapping[str, Any]


@dataclass(frozen=True)
class ModelPart:
    """A part of a model that is a whole model of another family.

    Attributes:
        name: Of the part, for names made of it.
        family: The other family's.
        hyperparameters: Of the part.
        tensors: Names of the part's tensors in the whole model, in the order of the other family's.
    """

    name: str
    family: str
    hyperparameters: dict[str, Any]
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """An architecture that grids can sweep.

    Attributes:
        name: Name in grid files and pools.
        tasks: Names of the tasks that its models can do.
        hyperparameters: All of them; anything else is refused, unless `more` knows it.
        tensors: Complete hyperparameters -> every stored tensor, in a fixed order. Imports no backend, unless the
        family
            cannot know its tensors otherwise.
        network: (tensors, complete hyperparameters, seed) -> the model. Imports Keras inside.
        more: Hyperparameters that follow from the others, such as the parameters of a function that one of them names.
        located: (options of a grid file, its folder) -> the same with places made absolute, since workers, and whoever
            builds the graph, run elsewhere; None for families whose options name no files.
        short_names: Letters by hyperparameter, in this order, for names of trials: K16-H512. Those are always named.
        scope: What the names of all tensors begin with, the variable scope of a reference implementation; "" for none.
        whole_frames: Whether models take each frame once with a mask (`View.whole`), by complete hyperparameters.
        graph_bytes: Complete hyperparameters -> upper bound of what a model's operations and its float32 variables
        take in
            the one graph beside the weights; None for what a gated NetVLAD takes, 26 KiB.
        activations: (complete hyperparameters, view) -> values that one example's layers give in training, for the
            prediction of GPU memory; None takes rows and columns of every matrix.
        recognise: Shapes of a model of the reference implementation, by the family's own names -> the hyperparameters
            that they decide. It looks up what it needs and nothing more: `models.recognition` takes a tensor that is
            not there (KeyError), or has other dimensions, for another family's model, and checks all shapes of what it
            finds. None for families without a reference implementation.
        parts: Complete hyperparameters -> the models of other families that a model is made of, and that do something
            by themselves; None for families without.
    """

    name: str
    tasks: tuple[str, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    tensors: Callable[[Hyperparameters], tuple[Tensor, ...]]
    network: Callable[[tuple[Tensor, ...], Hyperparameters, int], Network]
    more: Callable[[Hyperparameters], tuple[Hyperparameter, ...]] | None = None
    located: Callable[[Hyperparameters, Path], dict[str, Any]] | None = None
    short_names: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    whole_frames: Callable[[Hyperparameters], bool] = lambda _: False
    graph_bytes: Callable[[Hyperparameters], int] | None = None
    activations: Callable[[Hyperparameters, View], int] | None = None
    recognise: Callable[[Shapes], dict[str, Any]] | None = None
    parts: Callable[[Hyperparameters], tuple[ModelPart, ...]] | None = None

    def parameters(self, hyperparameters: Hyperparameters) -> dict[str, Hyperparameter]:
        """All hyperparameters by name, given the values of some.

        Raises:
            InputError: `more` cannot say which follow from these values.
        """
        further = () if self.more is None else self.more(hyperparameters)
        return {parameter.name: parameter for parameter in (*self.hyperparameters, *further)}

    def validate(self, hyperparameters: Hyperparameters) -> dict[str, Any]:
        """Return the hyperparameters with defaults filled in, in the family's order.

        Raises:
            InputError: Naming every unknown, missing and out-of-range hyperparameter at once.
        """
        known = self.parameters(hyperparameters)
        problems = [
            f"{name!r} is not one of its hyperparameters ({', '.join(known)})"
            for name in hyperparameters
            if name not in known
        ]
        complete: dict[str, Any] = {}
        for name, parameter in known.items():
            if name not in hyperparameters and parameter.default is None:
                problems.append(f"{name} is missing ({parameter.description})")
                continue
            value: Any = hyperparameters.get(name, parameter.default)
            problem = parameter.problem(value)
            if problem:
                problems.append(problem)
                continue
            complete[name] = parameter.stored(value)
        if problems:
            raise InputError(f"model family {self.name}: {'; '.join(problems)}")
        return complete

    def from_data(self, dimensions: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a task's dimensions that are hyperparameters of the family."""
        own = {parameter.name for parameter in self.hyperparameters}
        return {name: value for name, value in dimensions.items() if name in own}

    def view(self, hyperparameters: Hyperparameters, sample_frames: int) -> View:
        """How a model with these (complete) hyperparameters sees its inputs."""
        return View(sample_frames, self.whole_frames(hyperparameters))

    def activation_count(self, hyperparameters: Hyperparameters, view: View) -> int:
        """Values that one example's layers give in training, roughly; see `activations`."""
        if self.activations is not None:
            return self.activations(hyperparameters, view)
        return activations_of(self.tensors(hyperparameters))
