"""One training step, from a batch to everything that it changes; how gradients are taken is the backend's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from gapsack.models.tasks.answer import Answer
from gapsack.models.tasks.losses import Loss, loss_of_answer
from gapsack.models.training.arithmetic import Values, averaged, clip_factors, counted, rescaled, updated
from gapsack.models.training.backends import Backend
from gapsack.models.training.backends.product_gradients import ProductGradient
from gapsack.models.training.recipe import Recipe
from gapsack.models.training.slots import Slots
from gapsack.models.training.taught import taught
from gapsack.models.training.teaching import TARGETS

Inputs = Mapping[str, Any]
"""A batch's inputs by name, as the model takes them."""


class Step:
    """The pure function of a training step.

    Args:
        model: From `registry.build`.
        recipe: What to compute.
        slots: Names of the model's variables.
        backend: Takes gradients and sums of squares.
        loss: Of a batch; `Task.loss` of the model's task.
    """

    def __init__(self, model: Any, recipe: Recipe, slots: Slots, backend: Backend, loss: Loss) -> None:
        self.model, self.recipe, self.slots, self.backend, self.loss = model, recipe, slots, backend, loss
        self.penalised = [t.name for t in model.tensors if t.decayed] if recipe.l2 else []
        self.pruned = [t.name for t in model.tensors if t.large]
        self.scaled = recipe.compute == "float16"

    def __call__(self, values: Values, inputs: Inputs, labels: Any, learning_rate: Any, step: Any) -> dict[str, Any]:
        """Every value that the step changes. `step` is its number, for the record of a loss that is not finite."""
        gradients, changed = self.gradients(values, inputs, labels, step)
        finite = changed.pop("finite")
        new = updated(values, gradients, learning_rate, self.recipe)
        if self.scaled:
            new = {name: ops.where(finite, value, values[name]) for name, value in new.items()}
        changed |= new
        return changed | averaged(values, changed, self.recipe)

    def gradients(
        self, values: Values, inputs: Inputs, labels: Any, step: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Gradients ready for Adam by tensor name, and what else changes; "finite" says whether to use them."""
        loss, others, gradients = self._accumulated(values, inputs, labels)
        scale = values["loss_scale"] if self.scaled else 1.0
        add_penalty = self.model.kernels.fused(_with_penalty)
        for name in self.penalised:
            weight, gradient = values[f"weights/{name}"], gradients[name]
            if isinstance(gradient, ProductGradient):
                square, gradients[name] = gradient.weight_square, gradient.with_penalty(self.recipe.l2)
            else:
                square = self.backend.sums_of_squares([weight])[0]
                gradients[name] = add_penalty(gradient, weight, self.recipe.l2 * scale)
            loss = loss + self.recipe.l2 / 2 * square
        pruning = self.recipe.pruning_schedule
        if pruning is not None:
            begun, leave_pruned = step > pruning.begin_step, self.model.kernels.fused(_without_pruned)
            for name in self.pruned:
                gradients[name] = leave_pruned(gradients[name], values[f"weights/{name}"], begun)
        norms = ops.sqrt(self.backend.sums_of_squares(list(gradients.values()))) / scale
        finite = ops.all(ops.isfinite(norms))
        if self.scaled or self.recipe.clips:
            factors = ops.unstack(clip_factors(norms, self.recipe) / scale)
            pairs = zip(gradients.items(), factors, strict=True)
            gradients = {name: _scaled(gradient, factor) for (name, gradient), factor in pairs}
        changed = others | counted(values, loss, step) | {"finite": finite}
        return gradients, changed | (rescaled(values, finite) if self.scaled else {})

    def _accumulated(self, values: Values, inputs: Inputs, labels: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Mean loss, new values of non-trainable variables, and mean gradients (times the loss scale) of a batch."""
        weights = [values[f"weights/{name}"] for name in self.slots.trainable]
        others = [values[name] for name in self.slots.others]
        parts, size = self.recipe.accumulate, labels.shape[0] // self.recipe.accumulate
        if parts == 1:
            as_products = not self.scaled and self.recipe.pruning is None
            loss, others, gradients = self._part(values, weights, others, (inputs, labels), as_products=as_products)
        else:

            def body(index: Any, so_far: Any) -> Any:
                sum_loss, others, sums = so_far
                rows = {name: _rows(array, index, size) for name, array in inputs.items()}
                truth = _rows(labels, index, size)
                loss, others, gradients = self._part(values, weights, others, (rows, truth), as_products=False)
                return sum_loss + loss, others, [a + b for a, b in zip(sums, gradients, strict=True)]

            start = (ops.zeros(()), others, [ops.zeros_like(weight) for weight in weights])
            loss, others, gradients = ops.fori_loop(0, parts, body, start)
            loss, gradients = loss / parts, [gradient / parts for gradient in gradients]
        return (
            loss,
            dict(zip(self.slots.others, others, strict=True)),
            dict(zip(self.slots.trainable, gradients, strict=True)),
        )

    def _loss_of_batch(self, answer: Answer, labels: Any, targets: Any) -> Any:
        teaching, smoothing = self.recipe.teacher, self.recipe.label_smoothing
        if teaching is None:
            return loss_of_answer(self.loss, answer, labels, smoothing)
        return loss_of_answer(taught(self.loss, teaching), answer, (labels, targets), smoothing)

    def _part(
        self, values: Values, weights: list[Any], others: list[Any], batch: tuple[Inputs, Any], *, as_products: bool
    ) -> Any:
        inputs, labels = batch
        own = {name: array for name, array in inputs.items() if name != TARGETS}

        def objective(trainable: list[Any]) -> tuple[Any, Any]:
            answer, new = self.model.stateless_answer(trainable, others, own)
            loss = self.model.kernels.fused(self._loss_of_batch)(answer, labels, inputs.get(TARGETS))
            return (loss * values["loss_scale"] if self.scaled else loss), (loss, new)

        (_, (loss, new)), gradients = self.backend.differentiate(objective, weights, as_products=as_products)
        return loss, new, gradients


def _rows(array: Any, part: Any, size: int) -> Any:
    """Rows of part number `part`, of `size` rows each."""
    return ops.slice(array, (part * size, *[0] * (len(array.shape) - 1)), (size, *array.shape[1:]))


def _scaled(gradient: Any, factor: Any) -> Any:
    return gradient.scaled(factor) if isinstance(gradient, ProductGradient) else gradient * factor


def _with_penalty(gradient: Any, weight: Any, l2: Any) -> Any:
    return gradient + l2 * weight


def _without_pruned(gradient: Any, weight: Any, begun: Any) -> Any:
    """The gradient, zero for pruned weights; before pruning has begun, a weight of zero is none."""
    return ops.where(ops.logical_and(begun, ops.equal(weight, 0)), 0.0, gradient)
