"""Tables of predictions and labels, and ensembles applied to files of new predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gapsack.selection.pool import CandidatePool
from gapsack.sweep.cli.runs import app

IDS = [f"i{n}" for n in range(40)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scores_of(seed: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), len(IDS)).astype(np.float32)


def table(scores: np.ndarray, ids: list[str] = IDS) -> pd.DataFrame:
    found = pd.DataFrame(scores, columns=[str(n) for n in range(scores.shape[1])])
    found.insert(0, "id", ids)
    return found


def words_of(line: str) -> list[str]:
    return line.split()


def command(*words: str):
    return CliRunner().invoke(app, list(words))


def done(*words: str) -> str:
    result = command(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def added(labels: str, *predictions: str, classes: tuple[str, ...] = ()) -> CandidatePool:
    words = [word for text in predictions for word in ("--predictions", text, "--size", f"{text.split('=')[0]}=1000")]
    done("select", "pool", "add", "pool", "--labels", labels, *words, *classes)
    return CandidatePool.read("pool")


TRUTH = np.arange(len(IDS)) % 3


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_with_an_id_are_what_arrays_are(folder, kind):
    """In any order of rows and of numbered columns; the number of classes is that of the predictions."""
    scores = scores_of(1)
    shuffled = table(scores).sample(frac=1, random_state=0)[["2", "id", "0", "1"]]
    truth = pd.DataFrame({"id": IDS, "label": TRUTH})
    for name, each in (("a", shuffled), ("truth", truth)):
        if kind == "csv":
            each.to_csv(f"{name}.csv", index=False)
        else:
            each.to_parquet(f"{name}.parquet", index=False)
    pool = added(f"truth.{kind}", f"a=a.{kind}")
    assert pool.labels.class_count == 3
    assert [pool.labels.indices[n] for n in range(40)] == TRUTH.tolist()
    lists = pool["a"].predictions
    dense = np.zeros((40, 3), np.float32)
    np.put_along_axis(dense, lists.top_indices.astype(np.int64), lists.top_scores, axis=1)
    np.testing.assert_array_equal(dense, scores)


def test_a_matrix_of_labels_is_a_table_too(folder):
    truth = np.random.default_rng(0).random((40, 3)) < 0.4
    table(truth.astype(int)).to_csv("truth.csv", index=False)
    table(scores_of(1)).to_csv("a.csv", index=False)
    pool = added("truth.csv", "a=a.csv")
    assert pool.labels.label_count == truth.sum()


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_one_probability_an_item_is_that_of_the_second_of_two_classes(folder, kind):
    second = scores_of(2, 2)[:, 1]
    np.savez("truth.npz", video_ids=IDS, labels=TRUTH % 2)
    if kind == "npz":
        np.savez("a.npz", video_ids=IDS, scores=second)
    else:
        pd.DataFrame({"id": IDS, "spam": second}).to_csv("a.csv", index=False)
    pool = added("truth.npz", f"a=a.{kind}")
    assert pool.labels.class_count == 2
    lists = pool["a"].predictions
    place = np.argmax(lists.top_indices == 1, axis=1)
    np.testing.assert_allclose(lists.top_scores[np.arange(40), place], second, atol=1e-7)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id,0,1,2\ni0,0.5,x,0.1\n", "expected numbers in the column 1, got 'x' in row 2"),
        ("id,0,2\ni0,0.5,0.1\n", "expected columns from 0 to 1, got 0 to 2"),
        ("id\ni0\n", "expected a column for each class beside id"),
        ("id,0,1,2\n,0.5,0.1,0.1\n", "expected an id in every row, got none in row 2"),
        ("name,0,1,2\ni0,0.5,0.1,0.1\n", "or id and a column for each class, got name,0,1,2"),
        ("id,0,1,2\ni0,0.5,0.1,0.1\ni0,0.5,0.1,0.1\n", "i0"),
        ("id,0,1\ni0,0.5,0.1\n", "expected scores of the labels' 3 classes, got 2"),
    ],
)
def test_a_wrong_table_is_told_with_the_place(folder, content, told):
    np.savez("truth.npz", video_ids=IDS, labels=TRUTH)
    Path("a.csv").write_text(content)
    result = command(
        *words_of("select pool add pool --labels truth.npz --classes 3 --predictions a=a.csv --size a=1000")
    )
    assert result.exit_code == 2
    assert told in result.stderr
    assert "a.csv" in result.stderr


@pytest.mark.parametrize(
    ("name", "save", "told"),
    [
        ("a.npy", lambda path: np.save(path, scores_of(1)), "numpy.savez(file, video_ids=ids, scores=array)"),
        ("a.pkl", lambda path: pd.to_pickle(scores_of(1), path), "never loaded: store the array with its ids"),
    ],
)
def test_other_files_say_how_to_store_what_is_in_them(folder, name, save, told):
    save(name)
    np.savez("truth.npz", video_ids=IDS, labels=TRUTH)
    words = f"select pool add pool --labels truth.npz --classes 3 --predictions a={name} --size a=1000".split()
    result = command(*words)
    assert result.exit_code == 2
    assert told in result.stderr


def test_figures_of_an_import_are_what_limits_are_on(folder):
    np.savez("truth.npz", video_ids=IDS, labels=TRUTH)
    words = []
    for name, seed, latency in (("a", 1, 12), ("b", 2, 9), ("c", 3, 30)):
        np.savez(f"{name}.npz", video_ids=IDS, scores=scores_of(seed))
        words += words_of(f"--predictions {name}={name}.npz --size {name}=1000 --figure {name}:latency_ms={latency}")
    done("select", "pool", "add", "pool", "--labels", "truth.npz", *words)
    found = json.loads(
        done(*words_of("select ensemble pool --budget-mb 1 --limit latency_ms=20 --folds 1 --prefer score --json"))
    )
    assert "c" not in {member["name"] for member in found["members"]}
    assert sum({"a": 12, "b": 9}[member["name"]] for member in found["members"]) <= 20
    for wrong in ("a=3", "a:x=y", "a:gap=1"):
        result = command(*words_of("select pool add pool --predictions a=a.npz --size a=1000 --figure"), wrong)
        assert result.exit_code == 2


@pytest.fixture
def chosen(folder) -> dict:
    np.savez("truth.npz", video_ids=IDS, labels=TRUTH)
    for name, seed in (("a", 1), ("b", 2)):
        np.savez(f"{name}.npz", video_ids=IDS, scores=scores_of(seed))
    added("truth.npz", "a=a.npz", "b=b.npz")
    words = "select ensemble pool --budget-mb 1 --must-have a --must-have b --out pool/ensemble.json --json"
    return json.loads(done(*words.split()))


@pytest.mark.parametrize("out", ["new.csv", "new.npz", "new.parquet"])
def test_new_predictions_are_blended_by_id(folder, chosen, out):
    new = [f"n{n}" for n in range(40)]
    first, second = scores_of(7), scores_of(8)
    table(first, new).to_csv("a_new.csv", index=False)
    table(second, new).sample(frac=1, random_state=1).to_parquet("b_new.parquet", index=False)
    words = (
        f"select blend pool --predictions a=a_new.csv --predictions b=b_new.parquet --predictions c=none --out {out}"
    )
    assert "40 items, 3 classes" in done(*words.split())
    weights = {member["name"]: member["weight"] for member in chosen["members"]}
    expected = weights["a"] * first.astype(np.float64) + weights["b"] * second
    if out.endswith("npz"):
        with np.load(out) as found:
            ids, scores = found["video_ids"].tolist(), found["scores"]
    else:
        read = pd.read_csv(out) if out.endswith("csv") else pd.read_parquet(out)
        ids, scores = read["id"].tolist(), read[["0", "1", "2"]].to_numpy()
    assert ids == new
    np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--predictions a=a.npz", "got none of b"),
        ("--predictions a=a.npz --predictions a=b.npz", "expected one file of predictions for a, got two"),
        ("--predictions a=a.npz --predictions b@int8=b.npz", "of the precision that the ensemble has"),
        ("--predictions a=a.npz --predictions b=fewer.csv", "got none of 39, 'i1' among them"),
        ("--predictions a=fewer.csv --predictions b=b.npz", "got 39 besides, 'i1' among them"),
        ("--predictions a=twice.csv --predictions b=b.npz", "i0"),
        (
            "--predictions a=a.npz --predictions b=b.npz --out x.txt",
            "expected a file that ends in .csv, .npz, .parquet",
        ),
    ],
)
def test_what_does_not_fit_is_told(folder, chosen, words, told):
    table(scores_of(1)[:1], IDS[:1]).to_csv("fewer.csv", index=False)
    table(scores_of(1)[:2], ["i0", "i0"]).to_csv("twice.csv", index=False)
    result = command("select", "blend", "pool", *words.split())
    assert result.exit_code == 2
    assert told in result.stderr
    assert not Path("blended.csv").exists()
