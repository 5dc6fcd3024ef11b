from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.sweep.errors import DataError
from gapsack.sweep.teaching.taught_lists import joined, lists_of


def probabilities(count, classes, seed=0):
    return np.random.default_rng(seed).random((count, classes), np.float32)


def names(*texts):
    return np.array(texts)


def test_all_classes_come_back_as_float16_holds_them():
    given = probabilities(3, 7)
    lists = lists_of(names("c", "a", "b"), given, top_k=7)
    assert_array_equal(lists.dense(names("b", "c", "a"), 7), given[[2, 0, 1]].astype(np.float16).astype(np.float32))
    assert_allclose(lists.rest, 0, atol=1e-6)


def test_what_is_not_listed_shares_the_rest():
    given = probabilities(5, 40)
    lists = lists_of(names(*"edcba"), given, top_k=4)
    dense = lists.dense(names(*"edcba"), 40)
    assert_allclose(dense.sum(axis=1), given.sum(axis=1), rtol=2e-3)
    for row, expected in zip(dense, given, strict=True):
        best = np.argsort(-expected)[:4]
        assert_allclose(row[best], expected[best], rtol=1e-3)
        others = np.delete(row, best)
        assert_allclose(others, np.delete(expected, best).mean(), rtol=1e-3)


def test_parts_are_joined_by_id():
    first, second = lists_of(names("d", "a"), probabilities(2, 6), 3), lists_of(names("c"), probabilities(1, 6, 1), 3)
    both = joined([first, second])
    assert both.ids.tolist() == [b"a", b"c", b"d"]
    for ids, part in ((names("d", "a"), first), (names("c"), second)):
        assert_array_equal(both.dense(ids, 6), part.dense(ids, 6))


def test_an_example_comes_once():
    one = lists_of(names("x", "y"), probabilities(2, 4), 2)
    with pytest.raises(DataError, match="expected each example once in the teacher's data, got x again"):
        joined([one, lists_of(names("x"), probabilities(1, 4), 2)])


@pytest.mark.parametrize("stranger", ["0", "m", "zz", "ä"])
def test_a_stranger_is_named(stranger):
    lists = lists_of(names("k", "z"), probabilities(2, 4), 2)
    with pytest.raises(DataError, match=f"got none of {stranger}$"):
        lists.rows_of(names("k", stranger))


def test_ids_need_not_be_ascii():
    given = probabilities(3, 4)
    lists = lists_of(names("ü", "a", "視"), given, 4)
    assert_allclose(lists.dense(names("視", "ü"), 4), given[[2, 0]], rtol=1e-3)


def test_classes_beyond_16_bits():
    given = np.zeros((1, 70_000), np.float32)
    given[0, [3, 69_999]] = 0.25, 0.75
    lists = lists_of(names("v"), given, 2)
    assert lists.classes.tolist() == [[69_999, 3]]
    assert_array_equal(lists.dense(names("v"), 70_000), given)
