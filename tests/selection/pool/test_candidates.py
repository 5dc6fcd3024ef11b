from __future__ import annotations

import numpy as np
import pytest
from four_videos import CLASSES, IDS, candidate, dense, labels

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions


def test_a_mismatch_names_the_ids():
    others = Predictions.from_dense(np.array(["va", "vb", "vc", "zz"]), dense(0))
    with pytest.raises(PoolError, match=r"m: .*no row for video 'vd' and rows without labels for video 'zz'"):
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
        (lambda: lists([[0], [0]], [[0.5], [0.5]], ("v", "v")), "once; got video 'v' repeatedly"),
        (lambda: Labels(IDS, np.array([0, 1, 1, 1, 1]), np.array([30]), CLASSES), "0 to 29; got 30 for video 'va'"),
        (lambda: Labels(IDS, np.array([0, 2, 2, 2, 2]), np.array([3, 3]), CLASSES), "class 3 twice for video 'va'"),
        (lambda: Labels(IDS, np.array([0, 1, 1, 1, 2]), np.array([3]), CLASSES), "indptr"),
        (lambda: candidate("../up"), "name must"),
        (lambda: candidate("labels"), "name must"),
        (lambda: Candidate("m", {}, lists([[0]], [[0.5]])), "at least one precision"),
        (lambda: Candidate("m", {"float32": 0}, lists([[0]], [[0.5]])), "positive whole number of bytes; got 0"),
        (lambda: candidate(by_precision={"int8": lists([[0]], [[0.5]])}), "got none for int8"),
        (lambda: CandidatePool(labels(), []), "at least one candidate"),
        (lambda: CandidatePool(labels(), [candidate(), candidate()]), "'m' twice"),
        (lambda: CandidatePool(labels(), [Candidate("m", {"a": 1}, Predictions.from_dense(IDS, dense(0), 10))]), "20"),
        (lambda: CandidatePool(labels(), [Candidate("m", {"a": 1}, Predictions.from_dense(IDS, dense(0, 40)))]), "30"),
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
