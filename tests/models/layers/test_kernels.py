"""The seam by which a backend's plug-in runs a layer in another way."""

import numpy as np
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import registry
from gapsack.models.layers import experts, gating, netvlad
from gapsack.models.layers.kernels import Kernels

SMALL = {"clusters": 3, "hidden": 8, "classes": 12, "mixtures": 2, "rgb": 16, "audio": 4}


def test_a_layer_runs_what_replaces_its_function():
    model = registry.build("gated_netvlad", seed=2, **SMALL)
    frames = np.random.default_rng(0).integers(0, 256, (3, 5, 20), dtype=np.uint8)
    expected, seen, kernels = np.asarray(model({"frames": frames})), [], Kernels()

    def watched(function):
        def run(*arguments):
            seen.append(function.__name__)
            return function(*arguments)

        return run

    for function in (netvlad.described, gating.gated, experts.mixed):
        kernels.replace(function, watched(function))
    model.run_with(kernels)
    assert_array_equal(np.asarray(model({"frames": frames})), expected)
    assert seen == ["described", "described", "gated", "mixed", "gated"]


def test_the_result_is_that_of_the_replacement():
    model = registry.build("gated_netvlad", seed=2, **SMALL)
    kernels = Kernels()
    kernels.replace(gating.gated, lambda _kernels, inputs, product, _norm: (0 * inputs + 0.25, ops.shape(product)))
    model.run_with(kernels)
    frames = np.zeros((3, 5, 20), np.uint8)
    assert_allclose(np.asarray(model({"frames": frames})), 0.25)


def test_replacements_belong_to_one_set_of_kernels():
    one, other = Kernels(), Kernels()
    one.replace(experts.mixed, netvlad.described)
    assert one.chosen(experts.mixed) is netvlad.described
    assert other.chosen(experts.mixed) is experts.mixed
