from __future__ import annotations

import json

import numpy as np
import pytest
from four_videos import IDS, candidate, dense, labels

from gapsack.selection import npz
from gapsack.selection.errors import DamagedCandidateError, PoolError
from gapsack.selection.pool import Candidate, CandidatePool, Predictions, write_candidate


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


def test_a_candidate_without_its_json_is_not_yet_there(tmp_path):
    CandidatePool(labels(), [candidate("a"), candidate("b")]).write(tmp_path)
    (tmp_path / "b.json").unlink()
    assert [c.name for c in CandidatePool.read(tmp_path).candidates] == ["a"]


def test_an_ensemble_file_in_the_folder_is_no_candidate(tmp_path):
    CandidatePool(labels(), [candidate("a")]).write(tmp_path)
    (tmp_path / "ensemble.json").write_text('{"format": "gapsack.ensemble/1"}')
    assert len(CandidatePool.read(tmp_path).candidates) == 1


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


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: (d / "b.npz").unlink(),
        lambda d: (d / "b.npz").write_bytes(b""),
        lambda d: (d / "b.npz").write_bytes((d / "b.npz").read_bytes()[:-30]),
        lambda d: (d / "b.npz").write_bytes((d / "b.npz").read_bytes().replace(b"\x3f", b"\x3e")),
        lambda d: (d / "b.json").write_text(""),
        lambda d: (d / "b.json").write_text("{}"),
        lambda d: (d / "b.json").write_bytes(bytes(40)),
    ],
)
def test_who_is_told_goes_on_without_a_damaged_candidate(tmp_path, spoil):
    CandidatePool(labels(), [candidate("a"), candidate("b")]).write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DamagedCandidateError, match=r"b\.(npz|json)"):
        CandidatePool.read(tmp_path)
    told = []
    pool = CandidatePool.read(tmp_path, left_out=told.append)
    assert [each.name for each in pool.candidates] == ["a"]
    (sentence,) = told
    assert sentence.startswith(f"b is left out: {tmp_path / 'b.'}")


def test_what_is_wrong_rather_than_damaged_is_an_error_all_the_same(tmp_path):
    CandidatePool(labels(), [candidate("a"), candidate("b")]).write(tmp_path)
    (tmp_path / "b.json").write_text('{"name": "b", "size_bytes": {"float32": -1}}')
    with pytest.raises(PoolError, match="positive whole number"):
        CandidatePool.read(tmp_path, left_out=lambda _: None)


def test_a_pool_of_damaged_candidates_alone_is_an_error(tmp_path):
    CandidatePool(labels(), [candidate("a")]).write(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(DamagedCandidateError, match=r"a\.npz"):
        CandidatePool.read(tmp_path, left_out=lambda _: None)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
@pytest.mark.parametrize("kinds", [(np.int32, np.float32), (np.int64, np.float64), (">i4", ">f4")])
def test_lists_that_are_mapped_make_the_pool_that_is_read(tmp_path, monkeypatch, order, kinds):
    pool = CandidatePool(labels(), [candidate("a"), candidate("b", 1)])
    pool.write(tmp_path)
    lists = pool["b"].predictions
    arrays = {"top_indices": lists.top_indices.astype(kinds[0]), "top_scores": lists.top_scores.astype(kinds[1])}
    np.savez(tmp_path / "b.npz", video_ids=IDS[order], **{name: each[order] for name, each in arrays.items()})
    read = CandidatePool.read(tmp_path)
    monkeypatch.setattr(npz, "MAPPED_BYTES", 0)
    mapped = CandidatePool.read(tmp_path)
    assert not mapped["a"].predictions.top_scores.flags.writeable, "it is mapped"
    assert mapped["a"].predictions.video_ids is mapped.labels.video_ids, "ids are kept once"
    for each in "ab":
        np.testing.assert_array_equal(mapped[each].predictions.video_ids, IDS)
        for part in ("top_indices", "top_scores"):
            found = getattr(mapped[each].predictions, part)
            assert found.dtype == getattr(pool[each].predictions, part).dtype
            np.testing.assert_array_equal(found, getattr(read[each].predictions, part))
            np.testing.assert_array_equal(found, getattr(pool[each].predictions, part))


def test_a_candidate_that_is_mapped_can_be_written_over(tmp_path, monkeypatch):
    CandidatePool(labels(), [candidate("a")]).write(tmp_path)
    monkeypatch.setattr(npz, "MAPPED_BYTES", 0)
    mapped = CandidatePool.read(tmp_path)
    before = mapped["a"].predictions.top_scores.copy()
    write_candidate(tmp_path, candidate("a", 3))
    np.testing.assert_array_equal(mapped["a"].predictions.top_scores, before)
    mapped.write(tmp_path)
    np.testing.assert_array_equal(CandidatePool.read(tmp_path)["a"].predictions.top_scores, before)
