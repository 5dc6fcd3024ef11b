"""The machine that trains one model: step, loss, prediction, and a state that resumes exactly."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.checkpoints import Weights, load_reference_weights
from gapsack.models.errors import TrainingError
from gapsack.models.training.pruning import prune
from gapsack.models.training.recipe import Recipe
from gapsack.models.training.teaching import TARGETS
from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from gapsack.models.tasks import Input
    from gapsack.models.tasks.losses import Loss
    from gapsack.models.training.backends import Backend

State = dict[str, NDArray[Any]]
Inputs = Mapping[str, NDArray[Any]]


class Trainer:
    """Trains a model from `registry.build` on the Keras backend, TensorFlow or JAX.

    On a CPU, the same state and the same batches give the same result to the last bit, also in another process with as
    many threads.

    Args:
        model: Its weights are changed in place.
        recipe: What a step computes.
        loss: Of a batch; `Task.loss` of the model's task. None is that of multi-label tasks, YouTube-8M among them.

    Attributes:
        step: Steps done so far.

    Raises:
        InputError: The recipe asks for kernels that cannot run here.
    """

    def __init__(self, model: Any, recipe: Recipe, loss: Loss | None = None) -> None:
        from gapsack.models.tasks.losses import cross_entropy
        from gapsack.models.training.prediction import Prediction
        from gapsack.models.training.slots import Slots
        from gapsack.models.training.step import Step

        self.model, self.recipe, self.step = model, recipe, 0
        self._backend = _backend(recipe)
        model.compute_in(recipe.compute)
        model.run_with(self._backend.kernels)
        model.remember_statistics(recipe.batch_norm_decay)
        slots = Slots(model, recipe)
        self._variables = slots.variables
        step = Step(model, recipe, slots, self._backend, loss or cross_entropy)
        self._run_step = self._backend.compile_step(step, slots.variables)
        self._prediction = Prediction(model, slots, averaged=recipe.ema_decay is not None)
        self._run_prediction = self._compile(self._prediction)
        self._run_top: dict[int, Callable[..., Any]] = {}
        self._most_rows = 0  # of the largest batch predicted so far

    @property
    def kernels(self) -> str:
        """Name of the kernels that run the model: "cpu", or "plain" where the backend is by itself."""
        return self._backend.kernels.name

    def train_step(self, inputs: Inputs, labels: NDArray[np.bool_ | np.float32]) -> None:
        """Train on one batch; returns before the device is done where the backend allows, and nothing is to be pruned.

        Args:
            inputs: By name, [batch_size, ...] each, as the model's task says; with a teacher in the recipe its
                probabilities too, float32 [batch_size, classes], by the name `teaching.TARGETS`.
            labels: [batch_size, classes], bool; or float32 where targets are soft.

        Raises:
            InputError: A batch of another size than the recipe's, or without the teacher's predictions.
        """
        sizes = {name: len(array) for name, array in (*inputs.items(), ("labels", labels))}
        if set(sizes.values()) != {self.recipe.batch_size}:
            got = " and ".join(f"{name} of {size}" for name, size in sizes.items())
            raise InputError(f"expected a batch of {self.recipe.batch_size} examples, got {got}")
        if (self.recipe.teacher is not None) != (TARGETS in inputs):
            told = "a teacher's predictions" if self.recipe.teacher is not None else "no teacher's predictions"
            raise InputError(f"expected {told} among a batch's inputs, got {', '.join(inputs)}")
        rate = np.float32(self.recipe.learning_rate_at(self.step))
        self._run_step(dict(inputs), labels, rate, np.int32(self.step))
        self.step += 1
        pruning = self.recipe.pruning_schedule
        if pruning is not None and pruning.is_due(self.step):
            prune(self._variables, self.model.tensors, pruning, self.step)

    def take_loss(self) -> float:
        """Mean loss (L2 term included) of the steps since it was last taken, waiting for the device; NaN after no step.

        Raises:
            TrainingError: A loss was not finite; names the first such step and its loss.
        """
        taken = {name: self._read(name) for name in ("loss_sum", "loss_count", "bad_step", "bad_loss")}
        if taken["bad_step"] >= 0:
            raise TrainingError(f"expected a finite loss, got {taken['bad_loss']} at step {taken['bad_step']}")
        for name in ("loss_sum", "loss_count"):
            self._variables[name].assign(np.zeros_like(taken[name]))
        return float(taken["loss_sum"] / taken["loss_count"]) if taken["loss_count"] else float("nan")

    def predict(self, inputs: Inputs) -> NDArray[np.float32]:
        """Probabilities [batch, classes] in inference mode, of the averaged weights where the recipe averages."""
        return np.asarray(self._run_prediction(self._padded(inputs)))[: _rows(inputs)]

    def predict_alone(self, example: Inputs) -> NDArray[np.float32]:
        """Probabilities [1, classes] of one example [1, ...], as `predict` gives them, in a batch of no other rows."""
        return np.asarray(self._run_prediction(dict(example)))

    def predict_top(self, inputs: Inputs, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The k likeliest classes of each example and their probabilities, both [batch, k], cut on the device.

        In descending order, ties by lower class. With fewer than k classes, all of them.
        """
        if k not in self._run_top:
            self._run_top[k] = self._compile(partial(self._prediction.top, k=k))
        scores, classes = self._run_top[k](self._padded(inputs))
        rows = _rows(inputs)
        return np.asarray(classes, np.int32)[:rows], np.asarray(scores)[:rows]

    def flops(self, inputs: Sequence[Input]) -> int | None:
        """FLOPs of one example's forward pass: of its matrix products and convolutions, two a multiply-add.

        They are counted by shapes, of the layers' own arithmetic, whatever kernels run it; a recurrent layer's as often
        as it turns, and every frame that the inputs have a place for.

        Args:
            inputs: What the model takes in; `Task.model_inputs`.

        Returns:
            None where they do not follow from shapes, or lengths of inputs are not fixed, and on JAX.
        """
        if any(size is None for each in inputs for size in each.shape):
            return None
        arrays = {each.name: ((1, *(size or 0 for size in each.shape)), each.dtype) for each in inputs}
        from gapsack.models.layers.kernels import Kernels

        kernels = self.model.kernels
        self.model.run_with(Kernels())
        try:
            return self._backend.flops(lambda given: self.model(given, training=False), arrays)
        finally:
            self.model.run_with(kernels)

    def weights(self) -> Weights:
        """The weights that `predict` uses, by reference tensor name, copied to the host."""
        return {name: _to_host(variable) for name, variable in self._prediction.weights.items()}

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Replace the weights, averaged ones too; InputError as `load_reference_weights`.

        Adam's moments and all counters stay: this is for evaluating, and for a new trainer, which begins with them;
        `load_state` goes back to training.
        """
        load_reference_weights(self.model, weights)
        for name, variable in self._prediction.weights.items():
            variable.assign(np.asarray(weights[name], np.float32))

    def state(self) -> State:
        """Everything that training goes on from, copied to the host: what `load_state` takes, in any process."""
        return {"step": np.array(self.step, np.int64)} | {name: self._read(name) for name in self._variables}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state` of the same model and recipe.

        Raises:
            InputError: Naming what is missing, unknown or of another shape; nothing is changed then.
        """
        expected = {name: tuple(variable.shape) for name, variable in self._variables.items()} | {"step": ()}
        problems = [f"{name} is missing" for name in expected if name not in state]
        problems += [f"{name} is unknown" for name in state if name not in expected]
        problems += [
            f"{name} has shape {np.shape(state[name])}, expected {shape}"
            for name, shape in expected.items()
            if name in state and np.shape(state[name]) != shape
        ]
        if problems:
            raise InputError(f"the state does not fit this trainer: {'; '.join(problems)}")
        for name in self._variables:
            self._variables[name].assign(state[name])
        self.step = int(state["step"])

    def close(self) -> None:
        """Let go of the model and of all that trained it, so that a process can train one model after the other.

        Whoever else refers to the model keeps it alive; this trainer is of no use afterwards.
        """
        forget_graphs = self._backend.forget_graphs
        self.__dict__.clear()
        forget_graphs()
        gc.collect()  # compiled functions and their variables refer to each other

    def _compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._backend.compile_prediction(function, self._prediction.variables)

    def _padded(self, inputs: Inputs) -> dict[str, NDArray[Any]]:
        """Inputs with rows of zeros up to the largest batch so far: a smaller last batch is not worth compiling for."""
        rows = _rows(inputs)
        self._most_rows = max(self._most_rows, rows)
        missing = self._most_rows - rows
        if not missing:
            return dict(inputs)
        return {
            name: np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
            for name, array in inputs.items()
        }

    def _read(self, name: str) -> NDArray[Any]:
        return _to_host(self._variables[name])


def _rows(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _to_host(variable: Any) -> NDArray[Any]:
    import keras

    return np.array(keras.ops.convert_to_numpy(variable))


def _backend(recipe: Recipe) -> Backend:
    """The Keras backend's own, set up for the recipe."""
    import keras

    name = keras.backend.backend()
    if name == "tensorflow":
        from gapsack.models.training.backends.tensorflow import TensorFlowBackend

        return TensorFlowBackend(recipe)
    if name == "jax":
        from gapsack.models.training.backends.jax import JaxBackend

        return JaxBackend(recipe)
    raise InputError(f"expected the Keras backend tensorflow or jax (KERAS_BACKEND), got {name}")
