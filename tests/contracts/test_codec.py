"""What every storage codec must do.

For a codec of another project, import `CodecContract` and what else it needs from this file, and name the codec:

class TestMyCodec(CodecContract):
    @pytest.fixture(scope="class")
    @classmethod
    def case(cls) -> CodecCase:
        return CodecCase(MyCodec(), near=relative(2**-5))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from gapsack.models import precisions
from gapsack.models.precisions import Codec
from gapsack.models.precisions.codec import GROUP_ROWS, MAIN, as_matrix_shape
from gapsack.models.precisions.floats import FloatCodec
from gapsack.models.precisions.integers import IntegerCodec
from gapsack.models.precisions.pruned import PrunedCodec
from gapsack.models.tensors import Tensor

Array = NDArray[np.float32]
SHAPES = ((1,), (13,), (1, 1), (1, 17), (17, 1), (2, 3), (64, 5), (67, 31), (129, 2), (1, 7, 5), (3, 23, 11))
KINDS = ("normal", "zeros", "columns of many sizes", "one outlier", "negative", "tiny")


def values(kind: str, shape: tuple[int, ...]) -> Array:
    """Weights to store, all within the range of float16."""
    rng = np.random.default_rng(math.prod(shape))
    normal = rng.standard_normal(shape)
    if kind == "zeros":
        normal = np.zeros(shape)
    elif kind == "columns of many sizes":
        normal *= 10.0 ** rng.integers(-3, 3, shape[-1])
    elif kind == "one outlier":
        normal.reshape(-1)[-1] = 1000.0
    elif kind == "negative":
        normal = -np.abs(normal)
    elif kind == "tiny":
        normal *= 1e-6
    return normal.astype(np.float32)


Near = Callable[[Array, Array], bool]
"""Whether the second array can be the first after it was stored and decoded."""


def relative(share: float, smallest: float = 0.0) -> Near:
    """Each value within a share of its own magnitude; `smallest` is half a step of subnormal values."""

    def near(array: Array, decoded: Array) -> bool:
        exact = array.astype(np.float64)
        return bool(np.all(np.abs(decoded - exact) <= np.abs(exact) * share + smallest))

    return near


def of_integers(bits: int, group_rows: int | None) -> Near:
    """No worse than rounding to the steps that reach the peak, in each column of each group of rows.

    That is half a step, as root mean square, since single values may be clipped for the good of the others; and what
    float16 loses of scales far below the largest, 2^-25 of the tensor's peak.
    """

    def near(array: Array, decoded: Array) -> bool:
        matrix, found = (each.reshape(as_matrix_shape(array.shape)).astype(np.float64) for each in (array, decoded))
        lost = np.abs(matrix).max() * 2**-25
        size = group_rows or len(matrix)
        for start in range(0, len(matrix), size):
            rows = slice(start, start + size)
            half_step = np.abs(matrix[rows]).max(axis=0) / (2**bits - 2)
            error = np.sqrt(np.square(found[rows] - matrix[rows]).mean(axis=0))
            if np.any(error > half_step + lost):
                return False
        return True

    return near


def pruned(percent: int, near: Near) -> Near:
    """The smallest magnitudes, so many of a hundred, are zero, the later ones among equals; others `near`."""

    def near_the_kept(array: Array, decoded: Array) -> bool:
        kept = array.reshape(-1).copy()
        order = np.argsort(-np.abs(kept), kind="stable")
        kept[order[array.size - array.size * percent // 100 :]] = 0
        return near(kept.reshape(array.shape), decoded) and not decoded.reshape(-1)[kept == 0].any()

    return near_the_kept


@dataclass(frozen=True)
class CodecCase:
    """A codec, and how far what it stores may be from what it was given."""

    codec: Codec
    near: Near


class CodecContract:
    """The suite; a subclass has a fixture `case`, of the scope "class"."""

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_the_layout_is_that_of_the_encoded_arrays(self, case: CodecCase, shape: tuple[int, ...]) -> None:
        layout = case.codec.layout(shape)
        assert MAIN in layout
        for kind in KINDS:
            parts = {name: np.asarray(part) for name, part in case.codec.encode(values(kind, shape)).items()}
            assert {name: (part.shape, part.dtype.name) for name, part in parts.items()} == {
                name: (part.shape, part.dtype) for name, part in layout.items()
            }
            assert {name: part.nbytes for name, part in parts.items()} == {
                name: part.size_bytes for name, part in layout.items()
            }
            assert case.codec.size_bytes(shape) == sum(part.nbytes for part in parts.values())

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_a_graph_decodes_the_bits_that_numpy_decodes(self, case: CodecCase, shape: tuple[int, ...]) -> None:
        import tensorflow as tf

        v1 = tf.compat.v1
        layout = case.codec.layout(shape)
        with tf.Graph().as_default(), v1.Session() as session:
            fed = {name: v1.placeholder(part.dtype, part.shape) for name, part in layout.items()}
            decoded = case.codec.decode_in_graph(fed, shape)
            assert decoded.dtype == tf.float32
            for kind in KINDS:
                parts = case.codec.encode(values(kind, shape))
                found = session.run(decoded, {fed[name]: part for name, part in parts.items()})
                expected = case.codec.decode(parts, shape)
                assert found.shape == shape
                assert_array_equal(_bits(found), _bits(expected), err_msg=kind)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_what_is_decoded_is_near_what_was_stored(self, case: CodecCase, shape: tuple[int, ...], kind: str) -> None:
        array = values(kind, shape)
        given = array.copy()
        decoded = case.codec.decode(case.codec.encode(array), shape)
        assert_array_equal(array, given, err_msg="the caller's array was changed")
        assert decoded.dtype == np.float32
        assert decoded.shape == shape
        assert case.near(array, decoded)
        if array.any():
            assert not case.near(array, decoded + np.abs(array).max()), "the bound holds for anything"

    def test_zeros_stay_zeros(self, case: CodecCase) -> None:
        for shape in SHAPES:
            assert not case.codec.decode(case.codec.encode(np.zeros(shape, np.float32)), shape).any()

    def test_the_same_array_is_stored_the_same(self, case: CodecCase) -> None:
        first, again = (case.codec.encode(values("normal", (67, 31))) for _ in range(2))
        assert {name: np.asarray(part).tobytes() for name, part in first.items()} == {
            name: np.asarray(part).tobytes() for name, part in again.items()
        }

    def test_the_largest_magnitude_can_be_stored(self, case: CodecCase) -> None:
        limit = min(case.codec.limit, 1e30)
        array = np.array([[limit, -limit], [1, 0]], np.float32)
        assert np.isfinite(case.codec.decode(case.codec.encode(array), array.shape)).all()

    def test_a_graph_is_charged_for_decoding(self, case: CodecCase) -> None:
        assert case.codec.graph_bytes >= 0


def _bits(array: Array) -> NDArray[np.uint32]:
    """Zeros of either sign are one number, and may differ."""
    return (array + np.float32(0)).view(np.uint32)


CASES = {
    "float32": CodecCase(FloatCodec("float32"), relative(0.0)),
    "float16": CodecCase(FloatCodec("float16"), relative(2**-11, 2**-25)),
    "bfloat16": CodecCase(FloatCodec("bfloat16"), relative(2**-8)),
    "int8": CodecCase(IntegerCodec(8, GROUP_ROWS), of_integers(8, GROUP_ROWS)),
    "int8 by column": CodecCase(IntegerCodec(8), of_integers(8, None)),
    "int4": CodecCase(IntegerCodec(4, GROUP_ROWS), of_integers(4, GROUP_ROWS)),
    "pruned75_float16": CodecCase(PrunedCodec(75, "float16"), pruned(75, relative(2**-11, 2**-25))),
    "pruned50_int8": CodecCase(PrunedCodec(50, "int8"), pruned(50, of_integers(8, None))),
}


class TestEveryCodec(CodecContract):
    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request: pytest.FixtureRequest) -> CodecCase:
        return CASES[request.param]


def test_every_codec_of_a_precision_is_asked() -> None:
    matrix = (Tensor("large", (8, 8), group="large"), Tensor("other", (8, 8)), Tensor("bias", (8,)))
    names = (*precisions.names(), "pruned75_float16", "pruned50_int8")
    used = {precisions.precision(name).codec(tensor) for name in names for tensor in matrix}
    assert used <= {case.codec for case in CASES.values()}
