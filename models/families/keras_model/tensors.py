"""The tensors of a Keras model that somebody else wrote: its variables, with names and groups."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

LARGE_SHARE = 0.98
"""Of the values of all matrices, that those with a group hold at least."""

MOST_GROUPS = 5
REST = "rest"
"""The group of large matrices beyond those of the largest layers."""


def stored_variables(model: Any) -> dict[str, Any]:
    """Variables that are weights or moving statistics, by tensor name, in the model's order.

    Names are Keras' paths, such as `dense_1/kernel`. States of random generators are no weights.

    Raises:
        InputError: A variable is neither float32 nor the state of a generator.
    """
    found: dict[str, Any] = {}
    for variable in model.variables:
        if is_seed(variable):
            continue
        if variable.dtype != "float32":
            raise InputError(f"expected float32 variables, got {variable.dtype} in {variable.path}")
        name = base = _graph_name(variable.path)
        number = 0
        while name in found:
            number += 1
            name = f"{base}_{number}"
        found[name] = variable
    return found


def is_seed(variable: Any) -> bool:
    """Whether a variable is the state of a `keras.random.SeedGenerator`, as dropout has one."""
    return not variable.trainable and variable.name == "seed_generator_state"


def tensors_of(model: Any) -> tuple[Tensor, ...]:
    """The model's tensors; InputError as `stored_variables`, and for a model without any."""
    variables = stored_variables(model)
    if not variables:
        raise InputError("expected a model with weights, got none")
    trainable = {id(variable) for variable in model.trainable_variables}
    shapes = {name: tuple(int(size) for size in variable.shape) for name, variable in variables.items()}
    groups = groups_by_tensor(shapes)
    return tuple(
        Tensor(name, shape, trainable=id(variables[name]) in trainable, group=groups.get(name))
        for name, shape in shapes.items()
    )


def groups_by_tensor(shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Groups of the matrices (kernels of any rank) that hold `LARGE_SHARE` of all values, by tensor name.

    A group is a layer; of more layers than `MOST_GROUPS`, the smaller ones together are the last group.
    """
    counts = {
        name: math.prod(shape)
        for name, shape in shapes.items()
        if len(shape) > 1 and not name.endswith("bias")  # a recurrent layer's biases have two axes
    }
    missing = LARGE_SHARE * sum(counts.values())
    by_layer: dict[str, int] = {}
    large: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        if missing <= 0:
            break
        layer = name.rpartition("/")[0] or name
        large[name] = layer
        by_layer[layer] = by_layer.get(layer, 0) + counts[name]
        missing -= counts[name]
    layers = sorted(by_layer, key=lambda layer: (-by_layer[layer], layer))
    own = layers if len(layers) <= MOST_GROUPS else layers[: MOST_GROUPS - 1]
    return {name: layer if layer in own else REST for name, layer in large.items()}


def _graph_name(path: str) -> str:
    """A path as a name in a TensorFlow graph, where `model1/…` is the scope of another member."""
    name = re.sub(r"[^A-Za-z0-9_./-]", "_", path).lstrip("_/-") or "variable"
    return re.sub(r"^(model[0-9]+)/", r"\1_/", name)
