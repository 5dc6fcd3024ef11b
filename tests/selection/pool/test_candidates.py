from __future__ import annotations

import json

import numpy as np
import pytest

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions, write_candidate

IDS = np.array(["va", "vb", "vc", "vd"])
CLASSES = 30


def dense(seed, classes=CLASSES):
    return np.random.default_rng(seed).random((4, classes)).astype(np.float32)


def labels():
    hits = np.zeros((4, CLASSES), bool)
    hits[0, [3, 5]] = hits[1, 0] = hits[3, 29] = True  # video "vc" has no label, which is legal
    return Labels.from_dense(IDS, hits)


def candidate(name="m", seed=0, **parts):
    return Candidate(name, {"float32": 40, "float16": 20}, Predictions.from_dense(IDS, dense(seed)), **parts)


def test_written_and_read_again(tmp_path):
    own = {"float16": Predictions.from_dense(IDS, dense(2), k=25)}
    pool = CandidatePool(
        labels(), [candidate("a", metrics={"gap": 0.5}), candidate("b", 1, by_precision=own, origin={"kind": "x"})]
    )
    pool.write(tmp_path)
    again = CandidatePool.read(tmp_path)
    assert [c.name for c in again.candidates] == ["a", "b"]
    assert again["a"].metrics == {"gap": 0.5}
    assert again["b"].origin == {"kind": "x"}
    np.testing.assert_array_equal(again.labels.indices, pool.labels.indices)
    np.testing.assert_array_equal(again["b"].predictions_at("float16").top_scores, own["float16"].top_scores)
    np.testing.assert_array_equal(again["b"].predictions_at("float32").top_indices, pool["b"].predictions.top_indices)
    assert not list(tmp_path.glob(".*")), "temporary files stay behind"


def test_rows_are_aligned_by_id_not_by_position(tmp_path):
    CandidatePool(labels(), [candidate()]).write(tmp_path)
    order = [2, 0, 3, 1]
    shuffled = Predictions.from_dense(IDS[order], dense(0)[order])
    write_candidate(tmp_path, Candidate("m", {"float32": 40}, shuffled))
    read = CandidatePool.read(tmp_path)["m"].predictions
    np.testing.assert_array_equal(read.video_ids, IDS)
    np.testing.assert_array_equal(read.top_scores, candidate().predictions.top_scores)


def test_a_mismatch_names_the_ids():
    others = Predictions.from_dense(np.array(["va", "vb", "vc", "zz"]), dense(0))
    with pytest.raises(PoolError, match=r"m: .*no row for video 'vd' and rows without labels for video 'zz'"):
        CandidatePool(labels(), [Candidate("m", {"float32": 1}, others)])


def test_a_candidate_without_its_json_is_not_yet_there(tmp_path):
    CandidatePool(labels(), [candidate("a"), candidate("b")]).write(tmp_path)
    (tmp_path / "b.json").unlink()
    assert [c.name for c in CandidatePool.read(tmp_path).candidates] == ["a"]


def test_an_ensemble_file_in_the_folder_is_no_candidate(tmp_path):
    CandidatePool(labels(), [candidate("a")]).write(tmp_path)
    (tmp_path / "ensemble.json").write_text('{"format": "gapsack.ensemble/1"}')
    assert len(CandidatePool.read(tmp_path).candidates) == 1


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


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "labels.npz").unlink(), r"labels\.npz: expected this file"),
        (lambda d: (d / "m.npz").write_bytes(b"no archive"), r"m\.npz: expected an \.npz"),
        (lambda d: (d / "m.npz").unlink(), r"m\.npz: expected this file"),
        (lambda d: (d / "m.json").write_text("{"), r"m\.json: expected JSON"),
        (lambda d: (d / "m.json").write_text("[]"), r"expected a JSON object; got list"),
        (lambda d: (d / "m.json").rename(d / "n.json"), r"n\.json: a candidate's file bears its name; got .*'m'"),
        (lambda d: (d / "m.json").write_text('{"name": "m"}'), "size_bytes"),
        (lambda d: np.savez(d / "m.npz", video_ids=IDS), "top_indices, top_scores not there"),
    ],
)
def test_a_broken_folder_is_named(tmp_path, spoil, message):
    CandidatePool(labels(), [candidate()]).write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(PoolError, match=message):
        CandidatePool.read(tmp_path)


def test_a_name_that_could_be_another_ones_precision_is_refused(tmp_path):
    CandidatePool(labels(), [candidate("a"), candidate("a.float16")]).write(tmp_path)
    with pytest.raises(PoolError, match=r"a\.float16\.npz could be"):
        CandidatePool.read(tmp_path)


def test_the_json_is_plain(tmp_path):
    write_candidate(tmp_path, candidate(hyperparameters={"clusters": 8}))
    record = json.loads((tmp_path / "m.json").read_text())
    assert record["size_bytes"] == {"float32": 40, "float16": 20}
    assert record["hyperparameters"] == {"clusters": 8}


def test_dense_scores_are_cut_with_the_lower_class_first_among_equals():
    scores = np.array([[0.5, 0.9, 0.5, 0.5, 0.0]])
    cut = Predictions.from_dense(["v"], scores, k=3)
    assert cut.top_indices.tolist() == [[1, 0, 2]]
    assert cut.top_scores.tolist() == [[np.float32(0.9), 0.5, 0.5]]


def test_dense_cut_equals_a_full_sort():
    scores = np.random.default_rng(0).integers(0, 9, (50, 40)) / 9
    cut = Predictions.from_dense([str(i) for i in range(50)], scores, k=23)
    np.testing.assert_array_equal(cut.top_indices, np.argsort(-scores, axis=1, kind="stable")[:, :23])


def test_take_keeps_rows_together():
    pool = CandidatePool(labels(), [candidate()]).take(np.array([3, 0]))
    assert pool.labels.indices.tolist() == [29, 3, 5]
    assert pool["m"].predictions.video_ids.tolist() == ["vd", "va"]
