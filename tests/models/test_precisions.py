from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.models import precisions
from gapsack.models.calibration import group_moments
from gapsack.models.precisions.codec import Codec
from gapsack.models.precisions.floats import FloatCodec
from gapsack.models.precisions.integers import IntegerCodec
from gapsack.models.precisions.pruned import PrunedCodec, largest_magnitudes
from gapsack.models.precisions.scales import quantize
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

CODECS: tuple[Codec, ...] = (
    FloatCodec("float32"),
    FloatCodec("float16"),
    FloatCodec("bfloat16"),
    IntegerCodec(8),
    IntegerCodec(8, 5),
    IntegerCodec(4),
    IntegerCodec(4, 4),
    PrunedCodec(50, "float16"),
    PrunedCodec(75, "int8"),
    PrunedCodec(90, "float16"),
)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 23), st.integers(1, 9)),
    st.tuples(st.just(1), st.integers(1, 12), st.integers(1, 5)),
)
LARGE = Tensor("tower/gates/weights", (40, 30), group="gates")
MATRIX = Tensor("tower/gating_weights/gating_weights", (6, 6))
VECTOR = Tensor("tower/experts/biases", (30,))


def normal(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("codec", CODECS, ids=str)
@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 100))
def test_encoded_arrays_are_what_the_layout_announces(codec: Codec, shape: tuple[int, ...], seed: int) -> None:
    parts = codec.encode(normal(shape, seed))
    layout = codec.layout(shape)
    assert {name: (part.shape, part.dtype) for name, part in layout.items()} == {
        name: (array.shape, str(array.dtype)) for name, array in parts.items()
    }
    assert codec.size_bytes(shape) == sum(array.nbytes for array in parts.values())


@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("shape", [(23, 9), (1, 12, 5), (8, 4)])
def test_the_graph_decodes_what_numpy_decodes(codec: Codec, shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    parts = codec.encode(normal(shape))
    expected = codec.decode(parts, shape)
    decode = tf.function(lambda stored: codec.decode_in_graph(stored, shape))
    decoded = decode({name: tf.constant(array) for name, array in parts.items()})
    assert decoded.dtype == tf.float32 and decoded.shape == shape
    np.testing.assert_array_equal(decoded.numpy(), expected)


def test_floats_round_to_nearest_even() -> None:
    half_up, half_down = np.float32(1 + 3 * 2**-11), np.float32(1 + 2**-11)
    array = np.array([half_up, half_down, 65504], np.float32)
    decoded = FloatCodec("float16").decode(FloatCodec("float16").encode(array), array.shape)
    np.testing.assert_array_equal(decoded, [1 + 2**-9, 1, 65504])
    coarse = np.array([1 + 3 * 2**-8, 1 + 2**-8, 3e38], np.float32)
    decoded = FloatCodec("bfloat16").decode(FloatCodec("bfloat16").encode(coarse), coarse.shape)
    np.testing.assert_array_equal(decoded[:2], [1 + 2**-6, 1])
    assert decoded[2] == pytest.approx(3e38, rel=2**-8)


@pytest.mark.parametrize("name", ["float16", "pruned50_float16"])
def test_values_beyond_the_range_are_an_error_that_names_the_tensor(name: str) -> None:
    array = normal(LARGE.shape)
    array[3, 4], array[0, 0] = 1e6, -65505
    with pytest.raises(InputError, match=r"±65504 .* 2 beyond it in tower/gates/weights, up to 1e\+06"):
        precisions.precision(name).encode(LARGE, array)
    saturated: Counter[str] = Counter()
    stored = precisions.precision(name)
    decoded = stored.codec(LARGE).decode(stored.encode(LARGE, array, saturated=saturated), LARGE.shape)
    assert saturated == {LARGE.name: 2}
    assert (decoded[3, 4], decoded[0, 0]) == (65504, -65504)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", precisions.names())
def test_weights_that_are_not_finite_are_an_error_at_every_precision(name: str, value: float) -> None:
    array = normal(LARGE.shape)
    array[5, 6] = value
    with pytest.raises(InputError, match=r"expected finite weights .* tower/gates/weights"):
        precisions.precision(name).encode(LARGE, array, saturated=Counter())


@pytest.mark.parametrize(("bits", "group_rows", "share"), [(8, 40, 0.98), (4, 40, 0.75), (4, 16, 0.85)])
def test_chosen_scales_beat_plain_rounding(bits: int, group_rows: int, share: float) -> None:
    array = np.random.default_rng(1).standard_t(4, (40, 64)).astype(np.float32)

    def error(group: np.ndarray, integers: np.ndarray, scale: np.ndarray) -> float:
        return float(np.square(group - integers * scale).sum())

    levels = 2 ** (bits - 1) - 1
    plain = 0.0
    for start in range(0, 40, group_rows):
        group = array[start : start + group_rows]
        scale = np.abs(group).max(axis=0) / levels
        plain += error(group, np.rint(group / scale), scale)
    codec = IntegerCodec(bits, group_rows)
    chosen = float(np.square(array - codec.decode(codec.encode(array), array.shape)).sum())
    assert chosen < share * plain


@pytest.mark.parametrize(("bits", "rows"), [(8, 64), (4, 150)])
def test_moments_of_the_inputs_lower_the_error_of_the_output(bits: int, rows: int) -> None:
    rng = np.random.default_rng(3)
    inputs = (rng.standard_normal((500, 12)) @ rng.standard_normal((12, rows))).astype(np.float32) + 0.5
    inputs *= rng.uniform(0.1, 2, rows).astype(np.float32)
    array, codec = normal((rows, 40)), IntegerCodec(bits, 64)

    def output_error(moments: np.ndarray | None) -> float:
        decoded = codec.decode(codec.encode(array, moments), array.shape)
        return float(np.linalg.norm(inputs @ (decoded - array)))

    assert output_error(group_moments(inputs) / len(inputs)) < 0.5 * output_error(None)


def test_inputs_that_are_never_seen_do_no_harm() -> None:
    array, codec = normal((70, 6)), IntegerCodec(8, 64)
    decoded = codec.decode(codec.encode(array, np.zeros((2, 64, 64), np.float32)), array.shape)
    np.testing.assert_allclose(decoded, codec.decode(codec.encode(array), array.shape), atol=0.05)


def test_columns_far_smaller_than_others_keep_their_relative_precision() -> None:
    array = normal((64, 8)) * np.array([1e-9, 1e-7, 1e-5, 1e-3, 1e-9, 1e-8, 1e-9, 1e-6], np.float32)
    decoded = IntegerCodec(8).decode(IntegerCodec(8).encode(array), array.shape)
    relative = np.linalg.norm(decoded - array, axis=0) / np.linalg.norm(array, axis=0)
    assert relative.max() < 0.02, "float16 scales alone would have lost all columns below 6e-8 * 127"


def test_zeros_stay_zeros() -> None:
    for codec in CODECS:
        np.testing.assert_array_equal(codec.decode(codec.encode(np.zeros((6, 4), np.float32)), (6, 4)), 0)
    with_a_dead_column = normal((6, 4))
    with_a_dead_column[:, 2] = 0
    np.testing.assert_array_equal(quantize(with_a_dead_column, bits=8, group_rows=6).values[:, 2], 0)


def test_pruning_keeps_the_largest_and_their_exact_count() -> None:
    array = normal((31, 7))
    for percent in (1, 50, 75, 99):
        codec = PrunedCodec(percent, "float16")
        decoded = codec.decode(codec.encode(array), array.shape)
        kept = array.size - array.size * percent // 100
        assert np.count_nonzero(decoded) == kept
        smallest_kept = np.sort(np.abs(array).ravel())[-kept]
        expected = np.where(np.abs(array) >= smallest_kept, array.astype(np.float16), 0)
        np.testing.assert_array_equal(decoded, expected.astype(np.float32))
    np.testing.assert_array_equal(largest_magnitudes(np.array([1, -2, 2, -1, 2], np.float32), 2), [0, 1, 1, 0, 0])


@given(st.lists(st.sampled_from([0.0, 0.5, -0.5, 1.0, -2.0, 3.0]) | st.floats(-4, 4, width=32), min_size=1), st.data())
def test_the_largest_magnitudes_are_those_of_a_stable_sort(values, data):
    flat = np.array(values, np.float32)
    count = data.draw(st.integers(1, len(values) + 1))
    expected = np.zeros(len(values), bool)
    expected[np.argsort(-np.abs(flat), kind="stable")[:count]] = True
    np.testing.assert_array_equal(largest_magnitudes(flat, count), expected)


def test_bytes_an_element_are_as_documented() -> None:
    count = 1_000 * 640
    bits = {
        name: precisions.precision(name).tensor_bytes(Tensor("t", (640, 1_000), group="g")) * 8 / count
        for name in ("float32", "float16", "int8", "int4", "pruned75_float16", "pruned90_int8")
    }
    expected = {"float32": 32, "float16": 16, "int8": 8.25, "int4": 4.25, "pruned75_float16": 5, "pruned90_int8": 1.8}
    assert bits == pytest.approx(expected, abs=0.03)


def test_which_tensors_a_precision_touches() -> None:
    dtypes = {
        name: tuple(next(iter(stored.codec(tensor).layout(tensor.shape).values())).dtype for tensor in _KINDS)
        for name in (*precisions.names(), "mixed_4_b16", "pruned75_int8")
        for stored in [precisions.precision(name, _KINDS)]
    }
    assert dtypes == {
        "float32": ("float32", "float32", "float32"),
        "float16": ("float16", "float32", "float32"),
        "bfloat16": ("bfloat16", "float32", "float32"),
        "int8": ("int8", "int8", "float32"),
        "int4": ("uint8", "int8", "float32"),
        "mixed_4_b16": ("uint8", "bfloat16", "float32"),
        "pruned75_int8": ("int8", "int8", "float32"),
    }


_KINDS = (LARGE, MATRIX, VECTOR)


def test_roundtrip_gives_the_weights_that_the_graph_computes_with() -> None:
    weights = {tensor.name: normal(tensor.shape) for tensor in _KINDS}
    back = precisions.roundtrip(weights, "float16", _KINDS)
    np.testing.assert_array_equal(back[LARGE.name], weights[LARGE.name].astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(back[MATRIX.name], weights[MATRIX.name])
    np.testing.assert_array_equal(back[VECTOR.name], weights[VECTOR.name])


@pytest.mark.parametrize(
    "name", ["float8", "", "pruned100_float16", "pruned0_int8", "pruned75_int4", "mixed_", "mixed_7_4_4_4_4"]
)
def test_unknown_names_are_errors_that_list_the_known(name: str) -> None:
    for look_up in (precisions.precision, precisions.check_name, precisions.uses_moments):
        with pytest.raises(InputError, match=r"float32, float16, bfloat16, int8, int4.*got"):
            look_up(name)


def test_a_mixed_precision_has_a_letter_for_each_group_of_the_family() -> None:
    with pytest.raises(InputError, match="2 letters, one for each of gates, the other matrices, got 'mixed_8_4_8'"):
        precisions.precision("mixed_8_4_8", _KINDS)
    precisions.check_name("mixed_8_4_8")


def test_importing_precisions_imports_no_backend() -> None:
    heavy = ("tensorflow", "keras", "numba")
    code = f"import sys, gapsack.models.precisions; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
