"""What a graph runs in the place of the primitives, beside these; and norms as a frame's codes give them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models import registry
from gapsack.models.layers.experts import Experts, mixture
from gapsack.models.layers.frames import Frames, split_frames
from gapsack.models.layers.inference import (
    LARGEST_SCORE,
    cluster_major,
    expert_by_expert,
    inference_kernels,
    project_cluster_major,
    split_by_products,
    squared_norms,
)
from gapsack.models.layers.kernels import Kernels
from gapsack.models.layers.netvlad import Clusters, described, projected
from gapsack.models.layers.statistics import Normalisation


class Biases:
    """What a variable is to the primitives."""

    def __init__(self, value):
        self.value, self.shape = value, value.shape

    def __array__(self, dtype=None, copy=None):
        return self.value if dtype is None else self.value.astype(dtype)


def drawn(*shapes, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]


@pytest.mark.parametrize(("shape", "clusters"), [((1, 2, 5), 1), ((3, 23, 70), 11), ((4, 1, 6), 3)])
def test_residuals_cluster_by_cluster(shape, clusters):
    features = shape[-1]
    codes, gain, shift = drawn(shape, (*shape[:2], 1), (*shape[:2], 1), seed=3)
    assignment, centres, gamma, beta = drawn((features, clusters), (1, features, clusters), (clusters,), (clusters,))
    for given in (None, tuple(np.abs(each) + 0.5 for each in drawn((clusters,), (clusters,), seed=1))):
        parameters = Clusters(assignment, Normalisation(gamma, beta, given), 0.1 * centres)
        frames = Frames(codes, gain, shift)
        expected, statistics = described(Kernels(), frames, parameters, "float32")
        found, own = cluster_major(Kernels(), frames, parameters, "float32")
        assert found.shape == (shape[0], clusters, features)
        in_order = np.swapaxes(found, 1, 2).reshape(shape[0], -1)
        assert_allclose(in_order, expected, atol=2e-6)
        for one, other in zip(own, statistics, strict=True):
            assert_allclose(one, other, rtol=1e-5)


def test_descriptors_side_by_side_meet_the_matrix_in_their_order():
    video, audio, matrix = drawn((3, 4, 10), (3, 5, 2), (50, 7))
    in_order = [np.swapaxes(each, 1, 2).reshape(3, -1) for each in (video, audio)]
    expected = projected(Kernels(), in_order, matrix, "float32")
    found = project_cluster_major(Kernels(), (video, audio), matrix, "float32")
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 6, 16, 17, 36])
def test_squared_norms_by_groups(count):
    (vectors,) = drawn((3, count, 40))
    assert_allclose(squared_norms(vectors), np.square(vectors).sum(axis=-1, keepdims=True), rtol=1e-6)


def test_a_cluster_without_frames_gives_zeros():
    (codes,) = drawn((2, 3, 6))
    ones = np.ones((2, 3, 1), np.float32)
    beta = np.array([0.0, -1000.0], np.float32)
    norm = Normalisation(np.ones(2, np.float32), beta, (np.zeros(2, np.float32), np.ones(2, np.float32)))
    given = Clusters(np.zeros((6, 2), np.float32), norm, np.full((1, 6, 2), 0.5, np.float32))
    found = np.asarray(cluster_major(Kernels(), Frames(codes, ones, None), given, "float32")[0])
    assert_allclose(found[:, 1], 0, atol=1e-9)
    assert_allclose(np.linalg.norm(found[:, 0], axis=-1), 1, rtol=1e-6)


def test_frames_at_a_centre_give_zeros():
    ones = np.ones((2, 1, 1), np.float32)
    given = Clusters(drawn((32, 3))[0], Normalisation(*drawn((3,), (3,)), None), np.full((1, 32, 3), 2, np.float32))
    frames = Frames(np.full((2, 1, 32), 2, np.float32), ones, 0 * ones)
    assert_allclose(cluster_major(Kernels(), frames, given, "float32")[0], 0, atol=1e-6)


@pytest.mark.parametrize(("classes", "mixtures", "size"), [(7, 1, 1.0), (5, 2, 1.0), (3, 5, 60.0)])
def test_experts_one_by_one(classes, mixtures, size):
    """Gates of some hundreds too, whose powers are beyond float32."""
    inputs, gates, experts, biases = drawn(
        (6, 9), (9, classes * (mixtures + 1)), (9, classes * mixtures), (classes * mixtures,)
    )
    parameters = Experts(size * gates, experts, Biases(biases))
    expected = np.asarray(mixture(Kernels(), inputs, parameters, "float32"))
    scores = inputs @ np.reshape(parameters.gates, (9, classes, mixtures + 1))[..., :-1].reshape(9, -1)
    assert (scores.max() > LARGEST_SCORE) == (size > 1), "expected both ways to be taken"
    found = np.asarray(expert_by_expert(Kernels(), inputs, parameters, "float32"))
    assert np.isfinite(found).all()
    assert_allclose(found, expected, atol=1e-6 * max(1.0, size))


def test_unit_frames_are_multiples_of_their_codes():
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 40), dtype=np.uint8)
    frames[0, 0] = 0
    for given in (frames, frames.astype(np.float32)):
        pairs = zip(split_by_products(given, 32, "float32"), split_frames(given, 32, "float32"), strict=True)
        for found, expected in pairs:
            assert found.shift is None
            unit = expected.codes * expected.gain + expected.shift
            assert_allclose(found.codes * found.gain, unit, rtol=2e-5, atol=1e-7)


def test_a_shift_stays_where_codes_are_short():
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 40), dtype=np.uint8)
    assert all(part.shift is not None for part in split_by_products(frames, 32, "bfloat16"))


def test_a_whole_model_answers_the_same():
    hyperparameters = {"clusters": 4, "hidden": 8, "classes": 12, "mixtures": 3, "rgb": 16, "audio": 4}
    model = registry.build("gated_netvlad", seed=2, **hyperparameters)
    frames = np.random.default_rng(0).integers(0, 256, (3, 5, 20), dtype=np.uint8)
    expected = np.asarray(model({"frames": frames}))
    model.run_with(inference_kernels())
    found = np.asarray(model({"frames": frames}))
    assert_allclose(found, expected, atol=1e-6)
    assert (found != expected).any(), "expected other operations to run"
