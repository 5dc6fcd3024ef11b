"""NetVLAD, gating and the mixture beside their definitions in float64."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from gapsack.models.layers.experts import mixed
from gapsack.models.layers.frames import Frames
from gapsack.models.layers.gating import gated
from gapsack.models.layers.kernels import Kernels
from gapsack.models.layers.netvlad import Clusters, described
from gapsack.models.layers.statistics import Normalisation


def drawn(*shapes, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]


def softmax(values, axis):
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def normalised(values, axes):
    return (values - values.mean(axes)) / np.sqrt(values.var(axes) + 1e-3)


def netvlad(floats, assignment, gamma, beta, centres):
    """[B, features * K] by its definition."""
    share = softmax(normalised(floats @ assignment, (0, 1)) * gamma + beta, -1)
    residuals = floats.transpose(0, 2, 1) @ share - share.sum(1)[:, None] * centres
    residuals = residuals / np.linalg.norm(residuals, axis=1, keepdims=True)
    flat = residuals.reshape(len(floats), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


@pytest.mark.parametrize(("shape", "clusters"), [((1, 2, 5), 1), ((3, 23, 70), 11), ((20, 6, 128), 8)])
def test_netvlad(shape, clusters):
    features = shape[-1]
    codes, gain, shift = drawn(shape, (*shape[:2], 1), (*shape[:2], 1), seed=3)
    assignment, centres, gamma, beta = drawn((features, clusters), (features, clusters), (clusters,), (clusters,))
    gamma, beta, centres = 1 + 0.1 * gamma, 0.1 * beta, 0.1 * centres
    given = Clusters(assignment, Normalisation(gamma, beta, None), centres[np.newaxis])
    found, (mean, variance) = described(Kernels(), Frames(codes, gain, shift), given, "float32")
    floats = codes.astype(np.float64) * gain + shift
    scores = floats @ assignment.astype(np.float64)
    assert_allclose(mean, scores.mean((0, 1)), rtol=1e-4, atol=1e-4)
    assert_allclose(variance, scores.var((0, 1)), rtol=1e-4)
    assert_allclose(found, netvlad(floats, assignment, gamma, beta, centres), rtol=1e-3, atol=1e-5)


def test_frames_at_a_centre_give_zeros():
    ones = np.ones((2, 1, 1), np.float32)
    given = Clusters(drawn((32, 3))[0], Normalisation(*drawn((3,), (3,)), None), np.full((1, 32, 3), 2, np.float32))
    found, _ = described(Kernels(), Frames(np.full((2, 1, 32), 2, np.float32), ones, 0 * ones), given, "float32")
    assert_allclose(found, 0, atol=1e-6)


@pytest.mark.parametrize(("videos", "columns"), [(2, 1), (80, 300)])
def test_gating(videos, columns):
    inputs, product, gamma, beta = drawn(*[(videos, columns)] * 2, *[(columns,)] * 2)
    found, (mean, variance) = gated(Kernels(), inputs, 3 * product, Normalisation(1 + 0.1 * gamma, beta, None))
    exact = 3 * product.astype(np.float64)
    assert_allclose(found, inputs / (1 + np.exp(-(normalised(exact, 0) * (1 + 0.1 * gamma) + beta))), rtol=1e-4)
    assert_allclose(mean, exact.mean(0), atol=1e-5)
    assert_allclose(variance, exact.var(0), rtol=1e-4)


def mixture(gates, experts, biases):
    """[B, V] by its definition."""
    classes = gates.shape[1] - experts.shape[1]
    share = softmax(gates.reshape(len(gates), classes, -1), -1)[..., :-1]
    return (share / (1 + np.exp(-(experts + biases).reshape(share.shape)))).sum(-1)


@pytest.mark.parametrize(("videos", "classes", "mixtures"), [(1, 1, 1), (5, 16, 5), (4, 300, 2)])
def test_mixture(videos, classes, mixtures):
    parameters = drawn((videos, classes * (mixtures + 1)), (videos, classes * mixtures), (classes * mixtures,))
    exact = mixture(*(values.astype(np.float64) for values in parameters))
    assert_allclose(mixed(Kernels(), *map(ops.convert_to_tensor, parameters)), exact, rtol=1e-5)


def test_mixture_of_large_numbers():
    gates = np.array([[1e4, -1e4, 0], [-1e30, 1e30, 0], [90, 90, -90]], np.float32)
    experts = np.array([[0], [200], [-200]], np.float32)
    gates, experts, biases = np.hstack([gates, gates]), np.repeat(experts, 4, axis=1), np.zeros(4, np.float32)
    with np.errstate(over="ignore"):
        exact = mixture(*(values.astype(np.float64) for values in (gates, experts, biases)))
    found = mixed(Kernels(), *map(ops.convert_to_tensor, (gates, experts, biases)))
    assert_allclose(found, exact, rtol=1e-6, atol=1e-37)
