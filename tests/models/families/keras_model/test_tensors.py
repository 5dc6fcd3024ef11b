from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import keras
import pytest

from gapsack.models import registry, sizes
from gapsack.models.families.keras_model.tensors import groups_by_tensor, stored_variables
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.tensors import groups_of
from gapsack.selection.errors import InputError

Options = Callable[..., dict[str, Any]]
EVERY = ("dense", "convolution", "gru", "lstm", "attention", "sequential", "subclass", "deep")


def test_tensors_are_the_weights_and_statistics_but_no_seeds(options: Options) -> None:
    tensors = registry.family("keras_model").tensors(options("dense"))

    assert [(tensor.name, tensor.shape, tensor.trainable, tensor.group) for tensor in tensors] == [
        ("dense/kernel", (20, 64), True, "dense"),
        ("dense/bias", (64,), True, None),
        ("batch_normalization/gamma", (64,), True, None),
        ("batch_normalization/beta", (64,), True, None),
        ("batch_normalization/moving_mean", (64,), False, None),
        ("batch_normalization/moving_variance", (64,), False, None),
        ("dense_1/kernel", (64, 20), True, "dense_1"),
        ("dense_1/bias", (20,), True, None),
    ]


@pytest.mark.parametrize("function", EVERY)
def test_names_are_the_same_whatever_was_built_before(options: Options, function: str) -> None:
    planned = sizes.tensors("keras_model", options(function))
    keras.layers.Dense(3, name=None)  # Keras counts this one, too
    models = [registry.build("keras_model", seed=seed, **options(function)) for seed in (0, 1)]

    for model in models:
        assert list(model.tensor_variables) == [tensor.name for tensor in planned]
        assert [tuple(v.shape) for v in model.tensor_variables.values()] == [tensor.shape for tensor in planned]
    assert all(re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_./-]*", tensor.name) for tensor in planned)


@pytest.mark.parametrize("function", EVERY)
def test_sizes_are_the_bytes_of_the_built_model(options: Options, function: str) -> None:
    model = registry.build("keras_model", **options(function))
    counted = sum(math.prod(variable.shape) for variable in model.weights if variable.dtype == "float32")

    assert sizes.size_bytes("keras_model", options(function), "float32") == 4 * counted


def test_planning_draws_no_weights_and_grows_with_its_options(options: Options) -> None:
    small, large = (sizes.parameter_count("keras_model", options("gru", units=units)) for units in (4, 8))

    assert (small, large) == (4 * 3 * (20 + 4 + 2) + 5 * 20, 8 * 3 * (20 + 8 + 2) + 9 * 20)


def test_few_large_layers_are_groups_and_of_many_the_smaller_ones_share_one() -> None:
    shapes = {"a/kernel": (100, 100), "a/bias": (2, 100), "tiny/kernel": (2, 3), "b/kernel": (3, 50, 20)}
    assert groups_by_tensor(shapes) == {"a/kernel": "a", "b/kernel": "b"}

    many = {f"d{index}/kernel": (100, 100 - index) for index in range(7)}
    assert groups_by_tensor(many) == {
        **{f"d{index}/kernel": f"d{index}" for index in range(4)},
        **{f"d{index}/kernel": "rest" for index in range(4, 7)},
    }


def test_a_deep_model_has_at_most_five_groups_that_hold_nearly_all(options: Options) -> None:
    tensors = sizes.tensors("keras_model", options("deep"))

    assert len(groups_of(tensors)) == 5
    assert sum(t.count for t in tensors if t.large) >= 0.98 * sum(t.count for t in tensors if t.is_matrix)


def test_a_name_that_another_member_of_the_graph_has_as_scope_is_changed() -> None:
    inputs = keras.Input((3,))
    first, second = (keras.layers.Dense(2, name=name) for name in ("model1", "very own"))
    model = keras.Model(inputs, second(first(inputs)))

    assert list(stored_variables(model)) == [
        "model1_/kernel", "model1_/bias", "very_own/kernel", "very_own/bias"
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["names", "list", "outputs", "one"])
@pytest.mark.parametrize("scored", ["predictions", "probabilities"])
def test_of_several_outputs_the_one_of_probabilities_is_the_model(options: Options, form: str, scored: str) -> None:
    """What serves the others alone takes no bytes."""
    names = [tensor.name for tensor in sizes.tensors("keras_model", options("heads", form=form, scored=scored))]
    assert names == ["body/kernel", "body/bias", f"{scored}/kernel", f"{scored}/bias"]


@pytest.mark.parametrize("form", ["names", "list", "outputs"])
def test_several_outputs_of_other_names_are_told(options: Options, form: str) -> None:
    expected = (
        r"expected one output, or one named predictions or probabilities, of .*heads.*genre \[None, 20\], float32"
    )
    with pytest.raises(InputError, match=expected) as caught:
        sizes.tensors("keras_model", options("heads", form=form, scored="genre"))
    assert "mood [None, 3], float32" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("by_frame", r"expected probabilities \[batch, 20\], float32, of .*by_frame, got \[None, None, 20\], float32"),
        ("narrow", r"narrow: expected float32 variables, got float16 in dense_1/kernel"),
        ("broken", r"expected a Keras model of .*, got RuntimeError: no model of 20 classes and 2 inputs"),
    ],
)
def test_what_cannot_be_a_model_is_told_when_it_is_planned(options: Options, function: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        sizes.tensors("keras_model", options(function))


def test_gpu_memory_is_predicted_from_what_layers_give(options: Options, task: YouTube8M) -> None:
    family, complete = registry.family("keras_model"), options("convolution")
    few, many = (family.activation_count(complete, family.view(complete, frames)) for frames in (10, 20))

    assert many - few == 10 * (task.width * 2 + 16)  # the input, its norm, the convolution
