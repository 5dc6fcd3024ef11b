"""Models with several outputs: each is a pool of its own, from archives and tables, and is blended by its name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.cli.runs import app
from gapsack.sweep.pools.files import predicted_classes, read_dense, read_labels, read_predictions
from gapsack.sweep.pools.named_outputs import output_array

IDS = [f"i{n}" for n in range(40)]
GENRES, MOODS = 5, 3
GENRE = np.arange(len(IDS)) % GENRES
MOOD = np.arange(len(IDS)) % MOODS
SIZES = ("--size", "a=1000", "--size", "b=2000")


def heads(seed: int) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return {
        "genre": rng.dirichlet(np.ones(GENRES), len(IDS)),
        "mood": rng.dirichlet(np.ones(MOODS), len(IDS)),
        "spam": rng.random(len(IDS)),
    }


def table(columns: dict[str, NDArray[np.float64]], ids: list[str] = IDS) -> pd.DataFrame:
    """Columns `genre:0`, … of what has classes, and one of the output's name of what has not."""
    parts = {"id": ids}
    for name, scores in columns.items():
        if scores.ndim == 1:
            parts[name] = scores
        else:
            parts |= {f"{name}:{number}": scores[:, number] for number in range(scores.shape[1])}
    return pd.DataFrame(parts)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("truth.npz", video_ids=IDS, genre=GENRE, mood=MOOD, spam=(MOOD == 0).astype(int))
    np.savez("a.npz", video_ids=IDS, **heads(1))
    table(heads(1)).to_csv("a.csv", index=False)
    table(heads(2)).to_parquet("b.parquet", index=False)
    return tmp_path


def add(pool: str, output: str | None, *words: str) -> Result:
    named = () if output is None else ("--output", output)
    return CliRunner().invoke(app, ["select", "pool", "add", pool, *named, *words])


@pytest.mark.parametrize("file", ["a.npz", "a.csv"])
@pytest.mark.parametrize(("output", "truth"), [("genre", GENRE), ("mood", MOOD)])
def test_each_output_is_a_pool_of_its_own(folder: Path, file: str, output: str, truth: NDArray[np.int64]) -> None:
    words = ["--labels", "truth.npz"], ("--predictions", f"a={file}", "--predictions", "b=b.parquet"), SIZES
    result = add(output, output, *(word for each in words for word in each))
    assert result.exit_code == 0, result.output
    pool = CandidatePool.read(output)
    np.testing.assert_array_equal(pool.labels.indices, truth)
    for name, seed in (("a", 1), ("b", 2)):
        expected = np.sort(heads(seed)[output], axis=1)[:, ::-1]
        np.testing.assert_allclose(pool[name].predictions.top_scores, expected, atol=1e-6)
        assert pool[name].origin["output"] == output


@pytest.mark.parametrize("file", ["a.npz", "a.csv"])
def test_an_output_of_one_probability_is_that_of_the_second_of_two_classes(folder: Path, file: str) -> None:
    ids, scores = read_dense(Path(file), class_count=2, output="spam")
    assert ids.tolist() == IDS
    np.testing.assert_allclose(scores[:, 1], heads(1)["spam"], atol=1e-6)
    assert predicted_classes(Path(file), "spam") == 2


def test_a_model_of_one_output_is_a_candidate_beside_those_of_several(folder: Path) -> None:
    np.savez("b.npz", video_ids=IDS, scores=heads(2)["genre"])
    np.savez("own.npz", video_ids=IDS, labels=GENRE, image=np.zeros((len(IDS), 4)))  # labels beside a model's inputs
    words = ["--labels", "own.npz", "--predictions", "a=a.npz", "--predictions", "b=b.npz"]
    result = add("pool", "genre", *words, *SIZES)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(CandidatePool.read("pool").labels.indices, GENRE)


@pytest.mark.parametrize("output", ["genre", "mood"])
def test_labels_of_several_outputs_are_columns_too(folder: Path, output: str) -> None:
    classes, truth = {"genre": (GENRES, GENRE), "mood": (MOODS, MOOD)}[output]
    pd.DataFrame({"id": IDS, "genre": GENRE, "mood": MOOD}).to_csv("numbers.csv", index=False)
    table({"genre": np.eye(GENRES)[GENRE], "mood": np.eye(MOODS)[MOOD]}).to_parquet("ones.parquet", index=False)
    for file, count in (("numbers.csv", classes), ("ones.parquet", None)):
        np.testing.assert_array_equal(read_labels(Path(file), class_count=count, output=output).indices, truth)


@pytest.mark.parametrize(
    ("output", "words", "told"),
    [
        (None, "--labels truth.npz --predictions a=a.npz", "or --output and the name of one of the arrays"),
        (None, "--labels one.npz --predictions a=a.npz", "got video_ids, genre, mood, spam"),
        ("style", "--labels truth.npz --predictions a=a.npz", "expected an output style (--output style) in one of"),
        ("style", "--labels one.npz --predictions a=one_output.npz", "they have scores of one output alone"),
        ("style", "--labels one.npz --predictions a=heads.csv", "got those of genre, mood"),
        ("spam", "--labels truth.npz --predictions a=two.npz", "expected the array spam (--output spam), got genre, m"),
        (None, "--labels one.npz --predictions a=heads.csv", "are those of genre, mood, one of which --output names"),
        ("video_ids", "--labels one.npz --predictions a=one_output.npz", "expected an output video_ids"),
    ],
)
def test_which_outputs_there_are_is_told(folder: Path, output: str | None, words: str, told: str) -> None:
    found = heads(1)
    np.savez("one.npz", video_ids=IDS, labels=GENRE)
    np.savez("one_output.npz", video_ids=IDS, scores=found["genre"])
    np.savez("two.npz", video_ids=IDS, genre=found["genre"], mood=found["mood"])
    table({"genre": found["genre"], "mood": found["mood"]}).to_csv("heads.csv", index=False)
    classes = ("--classes", str(GENRES)) if "one.npz" in words else ("--classes", "2") if output == "spam" else ()
    result = add("pool", output, *words.split(), "--size", "a=1000", *classes)
    assert result.exit_code == 2, result.output
    assert told in " ".join(result.stderr.split())
    assert not Path("pool").exists()


def test_new_predictions_of_an_output_are_blended(folder: Path) -> None:
    words = ("--labels", "truth.npz", "--predictions", "a=a.npz", "--predictions", "b=b.parquet", *SIZES)
    assert add("genre", "genre", *words).exit_code == 0
    typed = "select ensemble genre --budget-mb 1 --must-have a --must-have b --out genre/ensemble.json --json"
    found = json.loads(CliRunner().invoke(app, typed.split()).stdout)
    new = [f"n{n}" for n in range(len(IDS))]
    np.savez("a_new.npz", video_ids=new, **heads(7))
    table(heads(8), new).sample(frac=1, random_state=1).to_csv("b_new.csv", index=False)
    blend = ["select", "blend", "genre", "--predictions", "a=a_new.npz", "--predictions", "b=b_new.csv"]
    result = CliRunner().invoke(app, [*blend, "--output", "genre", "--out", "new.npz"])
    assert result.exit_code == 0, result.output
    weights = {member["name"]: member["weight"] for member in found["members"]}
    expected = weights["a"] * heads(7)["genre"] + weights["b"] * heads(8)["genre"]
    with np.load("new.npz") as blended:
        assert blended["video_ids"].tolist() == new
        np.testing.assert_allclose(blended["scores"], expected, atol=1e-6)
    for wrong, told in (((), "--output and the name of one"), (("--output", "style"), "an output style")):
        result = CliRunner().invoke(app, [*blend, *wrong, "--classes", str(GENRES)])
        assert result.exit_code == 2
        assert told in " ".join(result.stderr.split())


def test_hierarchical_names_of_classes_stay_classes_where_no_output_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    scores = np.random.default_rng(0).random((3, 3))
    pd.DataFrame(scores, columns=["music:rock", "music:jazz", "sport:tennis"]).assign(id=IDS[:3]).to_csv(
        path, index=False
    )
    _, found = read_dense(path, class_count=3)
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(scores, axis=1), atol=1e-6)
    with pytest.raises(PoolError, match=r"got 3: its columns are those of music, sport, one of which --output names"):
        read_predictions(path, class_count=4, top_k=20)
    assert read_predictions(path, class_count=2, top_k=20, output="music").top_scores.shape == (3, 2)


def test_the_array_of_an_output() -> None:
    assert output_array(["video_ids", "scores", "more"], "scores", None) == "scores"
    assert output_array(["video_ids", "scores"], "scores", "genre") == "scores"
    assert output_array(["video_ids", "scores", "genre"], "scores", "genre") == "genre"
    assert output_array(["video_ids", "scores", "genre"], "scores", "scores") == "scores"
    with pytest.raises(PoolError, match=r"expected the array mood \(--output mood\), got scores, genre"):
        output_array(["video_ids", "scores", "genre"], "scores", "mood")
    with pytest.raises(PoolError, match=r"and 5 more"):
        output_array([f"a{n}" for n in range(25)], "scores", None)
