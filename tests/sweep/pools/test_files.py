from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.sweep.pools.files import predicted_classes, read_dense, read_labels, read_predictions

IDS = np.array(["aaaa", "bbbb", "cccc"])


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def test_dense_scores_and_a_label_matrix_make_a_pool(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.random((3, 40)), rng.random((3, 40)) < 0.1
    truth = read_labels(save(tmp_path / "y.npz", video_ids=IDS, labels=labels), class_count=None)
    reversed_rows = save(tmp_path / "a.npz", video_ids=IDS[::-1], scores=scores[::-1])
    lists = read_predictions(reversed_rows, class_count=40, top_k=25)
    pool = CandidatePool(truth, [Candidate("a", {"float32": 1}, lists)])
    expected = np.argsort(-scores, axis=1)[:, :25]
    np.testing.assert_array_equal(pool["a"].predictions.top_indices, expected)
    np.testing.assert_array_equal([truth.indices[truth.indptr[0] : truth.indptr[1]]], [np.flatnonzero(labels[0])])


def test_class_numbers_are_labels_of_a_multi_class_problem(tmp_path: Path) -> None:
    path = save(tmp_path / "y.npz", video_ids=IDS, labels=np.array([2, 0, 1]))
    labels = read_labels(path, class_count=3)
    np.testing.assert_array_equal(labels.indices, [2, 0, 1])
    with pytest.raises(PoolError, match="--classes"):
        read_labels(path, class_count=None)


def test_csv_files_of_the_challenge(tmp_path: Path) -> None:
    predictions = tmp_path / "a.csv"
    predictions.write_text("VideoId,LabelConfidencePairs\naaaa,7 0.25 3 0.5\nbbbb,0 1\ncccc,\n")
    lists = read_predictions(predictions, class_count=30, top_k=100)
    assert lists.top_indices.shape == (3, 20)
    np.testing.assert_array_equal(lists.top_indices[0, :4], [3, 7, 0, 1])
    np.testing.assert_allclose(lists.top_scores[:, 0], [0.5, 1.0, 0.0])
    assert (lists.top_scores[0, 2:] == 0).all()

    truth = tmp_path / "y.csv"
    truth.write_text("VideoId,Labels\naaaa,3 7\nbbbb,\ncccc,29\n")
    labels = read_labels(truth, class_count=30)
    np.testing.assert_array_equal(labels.indptr, [0, 2, 2, 3])


def test_the_number_of_classes_is_read_off_the_head_alone(tmp_path: Path) -> None:
    """Rows that no reading gets past do not matter to it."""
    scores = np.full((50_000, 5), 0.25, np.float32)  # more than is read at once
    for path in (save(tmp_path / "a.npz", video_ids=IDS, scores=scores), save(tmp_path / "b.npz", scores=scores[:, 0])):
        content = path.read_bytes()
        start = content.rindex(scores[:3, 0].tobytes())
        path.write_bytes(content[:start] + b"\xff" + content[start + 1 :])
    (tmp_path / "a.csv").write_text("id,0,1,2,3,4\naaaa,1,0,0,0,0,0,0\n")
    (tmp_path / "pairs.csv").write_text("VideoId,LabelConfidencePairs\naaaa,7 0.25,1\n")
    told = {name: predicted_classes(tmp_path / name) for name in ("a.npz", "b.npz", "a.csv", "pairs.csv")}
    assert told == {"a.npz": 5, "b.npz": 2, "a.csv": 5, "pairs.csv": None}
    for name in told:
        with pytest.raises(PoolError, match=name):
            read_dense(tmp_path / name, class_count=5)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("VideoId,Wrong\na,1 0.5\n", "expected the columns VideoId,LabelConfidencePairs"),
        ("VideoId,LabelConfidencePairs\na,1 0.5 2\n", "got 3 numbers in row 2"),
        ("VideoId,LabelConfidencePairs\na,30 0.5\n", "classes from 0 to 29, got 30 in row 2"),
        ("VideoId,LabelConfidencePairs\na,one 0.5\n", "in row 2"),
        ("VideoId,LabelConfidencePairs\na,1 0.5 1 0.4\n", "list a class once"),
        ("VideoId,LabelConfidencePairs\na,1 1.5\n", "score above 1"),
        ("VideoId,LabelConfidencePairs\n", "at least one row"),
    ],
)
def test_a_bad_csv_is_named_with_the_row(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(PoolError, match=expected) as caught:
        read_predictions(path, class_count=30, top_k=100)
    assert str(path) in str(caught.value)


def test_bad_archives_are_named(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="expected the arrays video_ids, scores, got logits"):
        read_predictions(save(tmp_path / "a.npz", logits=np.ones(3)), class_count=3, top_k=20)
    with pytest.raises(PoolError, match=r"labels' 5 classes, got 4"):
        read_predictions(save(tmp_path / "b.npz", video_ids=IDS, scores=np.ones((3, 4))), class_count=5, top_k=20)
    (tmp_path / "c.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(PoolError, match=r"c\.npz: expected an \.npz archive"):
        read_labels(tmp_path / "c.npz", class_count=None)
    with pytest.raises(PoolError, match="0 and 1 alone"):
        read_labels(save(tmp_path / "d.npz", video_ids=IDS, labels=np.full((3, 4), 2)), class_count=None)


def test_numbers_to_predict_are_no_labels_and_told_so(tmp_path: Path) -> None:
    targets = save(tmp_path / "y.npz", video_ids=IDS, labels=np.array([1.5, 2.0, -0.3]))
    with pytest.raises(PoolError, match="regression is not supported"):
        read_labels(targets, class_count=3)
    matrix = save(tmp_path / "m.npz", video_ids=IDS, labels=np.array([[1.5], [2.0], [-0.3]]))
    with pytest.raises(PoolError, match="regression is not supported"):
        read_labels(matrix, class_count=None)
    table = tmp_path / "y.csv"
    table.write_text("VideoId,Labels\naaaa,1.5\n")
    with pytest.raises(PoolError, match="regression is not supported"):
        read_labels(table, class_count=3)
    table.write_text("VideoId,Labels\naaaa,cat\n")
    with pytest.raises(PoolError, match=r"got 'cat' in row 2$"):
        read_labels(table, class_count=3)
