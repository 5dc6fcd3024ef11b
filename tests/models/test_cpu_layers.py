"""Our own NetVLAD and mixture of experts beside float64 formulas, and their gradients beside differences of those."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models.training.backends.cpu import workers
from gapsack.models.training.backends.cpu.frames import Part, code_sums
from gapsack.models.training.backends.cpu.gating import gated, gated_gradients
from gapsack.models.training.backends.cpu.mixture import mixed, mixed_gradients
from gapsack.models.training.backends.cpu.netvlad import Limits, described, gradients, scored

LIMITS = Limits(np.float32(1e-3), np.float32(1e-12))


def drawn(*shapes, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]


def softmax(values, axis):
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def slope(function, parameters, index, direction, step=1e-5):
    """Derivative of a function of float64 arrays along a direction of one of them."""
    moved = [
        [value + sign * step * direction if place == index else value for place, value in enumerate(parameters)]
        for sign in (1, -1)
    ]
    return (function(*moved[0]) - function(*moved[1])) / (2 * step)


def assert_slopes(function, parameters, found):
    exact = [parameter.astype(np.float64) for parameter in parameters]
    for index, gradient in enumerate(found):
        assert gradient.shape == parameters[index].shape
        for seed in range(3):
            direction = drawn(gradient.shape, seed=seed)[0].astype(np.float64)
            expected = slope(function, exact, index, direction)
            largest = np.linalg.norm(gradient) * np.linalg.norm(direction)
            assert_allclose(np.vdot(gradient, direction), expected, rtol=1e-3, atol=1e-5 * largest, err_msg=str(index))


def make_part(videos, length, first, features, width):
    frames = np.random.default_rng(3).integers(0, 256, (videos, length, width), dtype=np.uint8)
    gain, shift = (0.01 * values for values in drawn((videos, length), (videos, length)))
    part = Part(frames, first, features, gain, shift)
    floats = ((frames.astype(np.float64) - 128) * gain[..., None] + shift[..., None])[..., first : first + features]
    return part, floats


def netvlad(floats, assignment, gamma, beta, centres):
    """[B, features * K] by its definition."""
    scores = floats @ assignment
    normal = (scores - scores.mean((0, 1))) / np.sqrt(scores.var((0, 1)) + 1e-3)
    share = softmax(normal * gamma + beta, -1)
    residuals = floats.transpose(0, 2, 1) @ share - share.sum(1)[:, None] * centres
    residuals = residuals / np.linalg.norm(residuals, axis=1, keepdims=True)
    flat = residuals.reshape(len(floats), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def parameters_of(features, clusters):
    assignment, centres, gamma, beta = drawn((features, clusters), (features, clusters), (clusters,), (clusters,))
    return assignment, 1 + 0.1 * gamma, 0.1 * beta, 0.1 * centres


def run_netvlad(part, assignment, gamma, beta, centres):
    scores, statistics = scored(part, assignment)
    scale = gamma / np.sqrt(statistics.variance + LIMITS.epsilon)
    return described(part, scores, scale, beta - statistics.mean * scale, centres, LIMITS), statistics


@pytest.mark.parametrize(
    ("shape", "clusters"),
    [
        ((1, 2, 0, 5, 5), 1),
        ((3, 23, 0, 70, 79), 11),
        ((3, 23, 70, 9, 79), 2),
        ((20, 6, 0, 128, 130), 8),
        ((2, 40, 2, 64, 66), 17),
    ],
)
def test_netvlad(shape, clusters):
    """`shape`: as `make_part` takes it."""
    features = shape[3]
    part, floats = make_part(*shape)
    parameters = parameters_of(features, clusters)
    found, statistics = run_netvlad(part, *parameters)
    exact_scores = floats @ parameters[0].astype(np.float64)
    assert_allclose(found.scores, exact_scores.transpose(0, 2, 1), rtol=1e-4, atol=1e-4)
    assert_allclose(statistics.mean, exact_scores.mean((0, 1)), rtol=1e-4, atol=1e-5)
    assert_allclose(statistics.variance, exact_scores.var((0, 1)), rtol=1e-4)
    assert_allclose(found.descriptor, netvlad(floats, *parameters), rtol=1e-3, atol=1e-5)

    upstream = drawn(found.descriptor.shape, seed=7)[0]
    _, gamma, _, centres = parameters
    slopes = gradients(part, found, upstream, statistics, gamma, centres, LIMITS)
    assert_slopes(lambda *values: np.vdot(upstream, netvlad(floats, *values)), parameters, slopes)


def test_frames_at_a_centre_give_zeros_and_finite_gradients():
    frames = np.full((2, 1, 32), 130, np.uint8)
    part = Part(frames, 0, 32, np.ones((2, 1), np.float32), np.zeros((2, 1), np.float32))
    assignment, gamma, beta, _ = parameters_of(32, 3)
    centres = np.full((32, 3), 2, np.float32)
    found, statistics = run_netvlad(part, assignment, gamma, beta, centres)
    assert_array_equal(found.descriptor, 0)
    slopes = gradients(part, found, np.ones_like(found.descriptor), statistics, gamma, centres, LIMITS)
    assert all(np.isfinite(gradient).all() for gradient in slopes)


def test_sums_of_codes_are_exact():
    frames = np.concatenate([np.zeros((1, 3, 1152), np.uint8), np.full((1, 3, 1152), 255, np.uint8)])
    sums, squares = code_sums(frames)
    assert_array_equal(sums, [[-128 * 1152] * 3, [127 * 1152] * 3])
    assert_array_equal(squares, [[128**2 * 1152] * 3, [127**2 * 1152] * 3])


def gate(inputs, product, gamma, beta):
    """[B, columns] by its definition."""
    normal = (product - product.mean(0)) / np.sqrt(product.var(0) + 1e-3)
    return inputs / (1 + np.exp(-(normal * gamma + beta)))


@pytest.mark.parametrize(("videos", "columns"), [(2, 1), (5, 16), (80, 300), (3, 523)])
def test_gating(videos, columns):
    inputs, product, gamma, beta, upstream = drawn(*[(videos, columns)] * 2, *[(columns,)] * 2, (videos, columns))
    parameters = inputs, 3 * product, 1 + 0.1 * gamma, beta
    found = gated(*parameters, 1e-3)
    assert_allclose(found.values, gate(*(p.astype(np.float64) for p in parameters)), rtol=1e-4, atol=1e-5)
    assert_allclose(found.mean, parameters[1].mean(0, dtype=np.float64), atol=1e-5)
    assert_allclose(found.variance, parameters[1].var(0, dtype=np.float64), rtol=1e-4)
    slopes = gated_gradients(*parameters, 1e-3, found, upstream)
    assert_slopes(lambda *values: np.vdot(upstream, gate(*values)), parameters, slopes)


def mixture(gates, experts, biases):
    """[B, V] by its definition."""
    classes = gates.shape[1] - experts.shape[1]
    share = softmax(gates.reshape(len(gates), classes, -1), -1)[..., :-1]
    return (share / (1 + np.exp(-(experts + biases).reshape(share.shape)))).sum(-1)


@pytest.mark.parametrize(
    ("videos", "classes", "mixtures"), [(1, 1, 1), (5, 16, 5), (4, 300, 2), (3, 523, 5), (2, 37, 9)]
)
def test_mixture(videos, classes, mixtures):
    parameters = drawn((videos, classes * (mixtures + 1)), (videos, classes * mixtures), (classes * mixtures,))
    assert_allclose(mixed(*parameters), mixture(*(p.astype(np.float64) for p in parameters)), rtol=1e-5)
    upstream = drawn((videos, classes), seed=5)[0]
    slopes = mixed_gradients(*parameters, upstream)
    assert_slopes(lambda *values: np.vdot(upstream, mixture(*values)), parameters, slopes)


def test_mixture_of_large_numbers():
    gates = np.array([[1e4, -1e4, 0], [-1e30, 1e30, 0], [90, 90, -90]], np.float32)
    experts = np.array([[0], [200], [-200]], np.float32)
    gates, experts, biases = np.hstack([gates, gates]), np.hstack([experts, experts]), np.zeros(4, np.float32)
    experts = np.repeat(experts, 2, axis=1)
    exact = mixture(*(values.astype(np.float64) for values in (gates, experts, biases)))
    assert_allclose(mixed(gates, experts, biases), exact, rtol=1e-6, atol=1e-37)


def test_mixture_of_what_is_no_number():
    gates, experts, biases = drawn((2, 60), (2, 40), (40,))
    gates[1, 3], experts[0, 11] = np.nan, np.nan
    found = np.isnan(mixed(gates, experts, biases))
    assert sorted(map(tuple, np.argwhere(found))) == [(0, 5), (1, 1)]


def test_threads_change_nothing(monkeypatch):
    part, _ = make_part(20, 23, 0, 70, 79)
    parameters = parameters_of(70, 5)
    gating_parameters = drawn((20, 700), (20, 700), (700,), (700,))
    mixture_parameters = drawn((20, 1800), (20, 1500), (1500,), (20, 300))

    def results():
        found, statistics = run_netvlad(part, *parameters)
        upstream = drawn(found.descriptor.shape, seed=7)[0]
        slopes = gradients(part, found, upstream, statistics, parameters[1], parameters[3], LIMITS)
        mixtures = mixed(*mixture_parameters[:3]), *mixed_gradients(*mixture_parameters)
        gates = gated(*gating_parameters, 1e-3)
        of_gates = gated_gradients(*gating_parameters, 1e-3, gates, gating_parameters[0])
        return [*found, *statistics, *slopes, *mixtures, *gates, *of_gates]

    several = results()
    monkeypatch.setattr(workers, "threads", lambda: 1)
    for one, many in zip(results(), several, strict=True):
        assert_array_equal(one, many)
