"""Our own products beside numpy's, at sizes that fill tiles, leave rests, and are smaller than a tile."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models.training.backends.cpu import workers
from gapsack.models.training.backends.cpu.products import Gradient, gram, product, product_with_transpose, squared_norms
from gapsack.models.training.backends.cpu.simd import NARROW, NEON, TILING, WIDE, tiling
from gapsack.models.training.backends.cpu.update import AdamStep, SmallUpdate, Update, update

SIZES = [(1, 1, 1), (3, 5, 7), (9, 301, 100), (16, 257, 480), (80, 1030, 1001), (130, 70, 515), (21, 37, 4999)]
STEP = AdamStep(*map(np.float32, (0.5, 1e-2, 0.99, 1e-2, 0.1, 0.001, 1e-8)))


def drawn(*shapes, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]


@pytest.mark.parametrize(("videos", "rows", "columns"), SIZES)
def test_product(videos, rows, columns):
    batch, matrix = drawn((videos, rows), (rows, columns))
    exact = batch.astype(np.float64) @ matrix
    found, square = product(batch, matrix)
    assert_allclose(found, exact, rtol=1e-5, atol=1e-6 * rows)
    assert_allclose(square, np.square(matrix, dtype=np.float64).sum(), rtol=1e-5)


@pytest.mark.parametrize(("videos", "rows", "columns"), SIZES)
def test_product_with_the_transpose(videos, rows, columns):
    upstream, matrix = drawn((videos, columns), (rows, columns))
    exact = upstream.astype(np.float64) @ matrix.T
    found, found_gram = product_with_transpose(upstream, matrix)
    assert_allclose(found, exact, rtol=1e-5, atol=1e-6 * columns)
    assert_allclose(found_gram, upstream.astype(np.float64) @ upstream.T, rtol=1e-5, atol=1e-6 * columns)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_products_of_any_size(videos, rows, columns, seed):
    batch, matrix, upstream = drawn((videos, rows), (rows, columns), (videos, columns), seed=seed)
    assert_allclose(product(batch, matrix)[0], batch.astype(np.float64) @ matrix, rtol=1e-4, atol=1e-4)
    back = product_with_transpose(upstream, matrix)[0]
    assert_allclose(back, upstream.astype(np.float64) @ matrix.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_norm_of_a_gradient_that_is_not_taken(penalty):
    left, upstream, matrix = drawn((9, 40), (9, 70), (40, 70))
    gradient = left.T.astype(np.float64) @ upstream + penalty * matrix
    one = Gradient(left, upstream, gram(upstream), left @ matrix, penalty, float(np.square(matrix).sum()))
    found = squared_norms([one])
    assert_allclose(found, [np.square(gradient).sum()], rtol=1e-5)
    other = one._replace(left=drawn((9, 33), seed=1)[0], penalty=0.0)
    square = np.square(other.left.T.astype(np.float64) @ upstream).sum()
    assert_allclose(squared_norms([one, other, one]), [found[0], square, found[0]], rtol=1e-5)


def test_norms_of_layers_with_other_numbers_of_rows():
    gradients, expected = [], []
    for rows in (4, 9, 4):
        left, upstream, matrix = drawn((rows, 70), (rows, 33), (70, 33), seed=rows)
        gradients.append(Gradient(left, upstream, gram(upstream), left @ matrix, 0.3, np.vdot(matrix, matrix)))
        expected.append(np.square(left.T @ upstream + 0.3 * matrix, dtype=np.float64).sum())
    assert_allclose(squared_norms(gradients), expected, rtol=1e-5)


def test_norm_is_not_negative_where_penalty_and_gradient_cancel():
    left, matrix = np.eye(4, dtype=np.float32), drawn((4, 6))[0]
    found = squared_norms([Gradient(left, -matrix, gram(matrix), matrix, 1.0, float(np.square(matrix).sum()))])
    assert 0 <= found[0] < 1e-5


@pytest.mark.parametrize(("videos", "rows", "columns"), SIZES)
def test_update_is_adam(videos, rows, columns):
    left, upstream, matrix, m = drawn((videos, rows), (videos, columns), (rows, columns), (rows, columns))
    v = np.square(drawn((rows, columns), seed=1)[0])
    gradient = STEP.scale * (left.T.astype(np.float64) @ upstream) + STEP.penalty * matrix
    new_m = m + (gradient - m) * STEP.new_m
    new_v = v + (gradient**2 - v) * STEP.new_v
    expected = STEP.keep * matrix - STEP.rate * new_m / (np.sqrt(new_v) + STEP.epsilon)
    small = [array.copy() for array in (matrix, m, v)]
    taken = (gradient / STEP.scale).astype(np.float32)
    update([Update(matrix, m, v, left, upstream, STEP)], [SmallUpdate(*small, taken, STEP)])
    for arrays in ((matrix, m, v), small):
        for found, wanted in zip(arrays, (expected, new_m, new_v), strict=True):
            assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


def test_threads_change_nothing(monkeypatch):
    batch, matrix, upstream = drawn((10, 700), (700, 1100), (10, 1100))
    wide, of_wide = drawn((30, 9000), (10, 9000))

    def results():
        w, m, v = matrix.copy(), np.zeros_like(matrix), np.zeros_like(matrix)
        update([Update(w, m, v, batch, upstream, STEP)])
        return [
            *product(batch, matrix),
            *product_with_transpose(upstream, matrix),
            *product_with_transpose(of_wide, wide),
            w,
            m,
            v,
        ]

    several = results()
    monkeypatch.setattr(workers, "threads", lambda: 1)
    for one, many in zip(results(), several, strict=True):
        assert_array_equal(one, many)


def test_an_error_in_a_task_is_raised():
    def fail(task, _scratch):
        if task == 3:
            raise ValueError("task 3")

    with pytest.raises(ValueError, match="task 3"):
        workers.run(fail, range(5))
    done = []
    workers.run(lambda task, _scratch: done.append(task), range(5))  # the next computation gets its turn
    assert sorted(done) == list(range(5))


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 20))
def test_even_shards(size, most, multiple):
    found = workers.evenly(size, max(most, multiple), multiple)
    assert [start for start, _ in found] == [0, *(stop for _, stop in found[:-1])]
    assert found[-1][1] == size
    lengths = [stop - start for start, stop in found]
    assert max(lengths) <= max(most, multiple)
    assert max(lengths) == lengths[0]
    assert max(lengths[:-1], default=0) - min(lengths[:-1], default=0) <= multiple
    assert all(length % multiple == 0 for length in lengths[:-1])


def test_tilings_fit_the_registers():
    for shape, registers in ((WIDE, 32), (NEON, 32), (NARROW, 16)):
        rows, width = shape.product
        assert rows * width + width + 1 <= registers


def test_the_tiling_follows_the_processor():
    assert tiling("+sse4.2,+avx2,+avx512f,+fma") is WIDE
    assert tiling("+avx2,-avx512f,+fma") is NARROW
    assert tiling("+neon,+fp-armv8") is NEON


@pytest.mark.slow
@pytest.mark.skipif(TILING is not WIDE, reason="narrower vectors are what this machine has anyway")
def test_on_a_processor_with_narrower_vectors():
    environment = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma", "PATH": "/usr/bin:/bin"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "not narrower",
        str(Path(__file__)),
    ]
    root = Path(__file__).parents[5]
    found = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
