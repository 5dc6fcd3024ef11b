from __future__ import annotations

import numpy as np
import pytest
from four_videos import CLASSES, IDS, candidate, dense, labels

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions


def test_a_mismatch_names_the_ids():
    others = Predictions.from_dense(np.array(["va", "vb", "vc", "zz"]), dense(0))
    with pytest.raises(PoolError, match=r"m: .*no row for item 'vd' and rows without labels for item 'zz'"):
        CandidatePool(labels(), [Candidate("m", {"float32": 1}, others)])


def lists(indices, scores, ids=("v",)):
    return Predictions(np.array(ids), np.array(indices), np.array(scores))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lists([[0, 1]], [[np.nan, 0.1]]), "NaN.*'v'"),
        (lambda: lists([[0, 1]], [[0.5, -0.1]]), r"negative score \(-0.1\)"),
        (lambda: lists([[0, 1]], [[1.5, 0.1]]), "above 1.*sigmoid"),
        (lambda: lists([[0, 1]], [[0.1, 0.5]]), "descend"),
        (lambda: lists([[1, 1]], [[0.5, 0.1]]), "class once"),
        (lambda: lists([[-1, 1]], [[0.5, 0.1]]), "negative"),
        (lambda: lists([[0, 1]], [[0.5]]), r"\(1, 2\) and \(1, 1\)"),
        (lambda: lists([[0], [0]], [[0.5], [0.5]], ("v", "v")), "once; got item 'v' repeatedly"),
        (lambda: Labels(IDS, np.array([0, 1, 1, 1, 1]), np.array([30]), CLASSES), "0 to 29; got 30 for item 'va'"),
        (lambda: Labels(IDS, np.array([0, 2, 2, 2, 2]), np.array([3, 3]), CLASSES), "class 3 twice for item 'va'"),
        (lambda: Labels(IDS, np.array([0, 1, 1, 1, 2]), np.array([3]), CLASSES), "indptr"),
        (lambda: candidate("../up"), "name must"),
        (lambda: candidate("labels"), "name must"),
        (lambda: Candidate("m", {}, lists([[0]], [[0.5]])), "at least one precision"),
        (lambda: Candidate("m", {"float32": 0}, lists([[0]], [[0.5]])), "positive whole number of bytes, .*; got 0"),
        (lambda: candidate(by_precision={"int8": lists([[0]], [[0.5]])}), "got none for int8"),
        (lambda: CandidatePool(labels(), []), "at least one candidate"),
        (lambda: CandidatePool(labels(), [candidate(), candidate()]), "'m' twice"),
        (lambda: CandidatePool(labels(), [Candidate("m", {"a": 1}, Predictions.from_dense(IDS, dense(0), 10))]), "20"),
        (lambda: CandidatePool(labels(), [Candidate("m", {"a": 1}, Predictions.from_dense(IDS, dense(0, 40)))]), "30"),
        (lambda: candidate("a" * 161), "at most 160 characters; got 161"),
        (lambda: Candidate("m", {"../up": 1}, lists([[0]], [[0.5]])), "a precision must start"),
        (lambda: Candidate("m", {"float32": 2**70}, lists([[0]], [[0.5]])), f"at most {2**62}; got {2**70}"),
        (lambda: lists([[0.9, 3.9]], [[0.5, 0.1]]), "whole numbers; got fractions .float64., such as 0.9"),
        (lambda: lists([[2**32 + 3, 1]], [[0.5, 0.1]]), f"whole numbers from -{2**31} to {2**31 - 1}; got {2**32 + 3}"),
        (lambda: lists([[2**70, 1]], [[0.5, 0.1]]), "whole numbers; got objects"),
        (lambda: lists([[0, 1]], [[0.5 + 0j, 0.1]]), "scores must be numbers; got complex numbers"),
        (lambda: lists([[0, 1]], [[True, False]]), "scores must be numbers; got truth values"),
        (lambda: lists([[0, 1]], [["0.5", "0.1"]]), "scores must be numbers; got text"),
        (lambda: lists([[0, 1]], [[1 + 3e-6, 0.1]]), r"a score above 1 \(1\.00000\d"),
        (lambda: Predictions.from_dense(IDS, dense(0) > 0.5), "scores must be numbers; got truth values"),
        (lambda: Labels.from_dense(IDS, np.full((4, 30), 0.5)), "0 and 1 alone"),
        (lambda: Labels(IDS, np.array([0, 1, 1, 1, 1]), np.array([3.0]), CLASSES), "whole numbers; got fractions"),
        (lambda: Labels(IDS, np.zeros(5, int), np.array([]), 2**40), f"from 1 to {2**31 - 1}; got {2**40}"),
        (lambda: Labels(IDS, np.zeros(5, int), np.array([]), 3.9), "class_count must be a whole number"),
        (lambda: Labels(np.array([b"a", b"\xff"]), np.zeros(3, int), np.array([]), 3), "bytes of UTF-8"),
        (lambda: Labels(np.array([0.5, 1.5]), np.zeros(3, int), np.array([]), 3), "must be text; got fractions"),
        (lambda: Labels(["ab", "ab\0"], np.zeros(3, int), np.array([]), 3), "without NUL"),
        (lambda: candidate().predictions_at("int4"), "float32, float16; got 'int4'"),
        (lambda: CandidatePool(labels(), [candidate()])["x"], "'x'"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, message):
    with pytest.raises(PoolError, match=message):
        make()


def test_take_keeps_rows_together():
    pool = CandidatePool(labels(), [candidate()]).take(np.array([3, 0]))
    assert pool.labels.indices.tolist() == [29, 3, 5]
    assert pool["m"].predictions.video_ids.tolist() == ["vd", "va"]


def test_what_rounding_puts_above_one_is_one():
    above = np.float32(1) + np.float32(1.2e-7)
    assert above > 1
    assert lists([[0, 1]], [[above, 0.1]]).top_scores.max() == 1
    assert Predictions.from_dense(IDS, np.full((4, 30), above)).top_scores.max() == 1


@pytest.mark.parametrize("ids", [np.array([1, 2]), np.array([b"1", b"2"]), ["1", "2"], np.array(["1", "2"], object)])
def test_ids_are_text_whatever_holds_them(ids):
    assert Labels(ids, np.zeros(3, int), [], 3).video_ids.tolist() == ["1", "2"]
