from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
from gapsack.sweep.runs.pool_report import is_pool, pool_records

IDS = [f"v{number:02}" for number in range(40)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    truth = np.eye(5, dtype=bool)[rng.integers(0, 5, len(IDS))]
    scores = {"weak": 0.2, "strong": 0.8, "large": 0.3}
    sizes = {"weak": 10, "strong": 20, "large": 30}
    candidates = [
        Candidate(
            name,
            {"float16": sizes[name], **({"int8": 5} if name == "weak" else {})},
            Predictions.from_dense(IDS, rng.random((len(IDS), 5)) * (1 - right) + right * truth, 5),
        )
        for name, right in scores.items()
    ]
    CandidatePool(Labels.from_dense(IDS, truth), candidates).write(tmp_path / "mine")
    return tmp_path / "mine"


def chosen(pool: str) -> Ensemble:
    return Ensemble((EnsembleMember("strong", "float16", 1.0, 20),), total_bytes=20, budget_bytes=25, pool=pool)


def test_models_are_scored_and_compared(folder: Path) -> None:
    records = pool_records(folder)
    assert is_pool(folder)
    assert not is_pool(folder.parent)
    assert (records.name, records.precision, records.metric) == ("mine", "float16", "gap@20")
    scores = {trial.name: trial.gap for trial in records.trials}
    assert scores["weak"] < scores["large"] < scores["strong"] == 1.0
    assert records.inferior == {"large": "strong"}
    assert (records.data.classes, records.data.held_out_videos) == (5, 40)
    assert records.ensembles == ()


def test_the_ensemble_of_this_pool_is_shown_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    chosen("other").write(Path("ensemble.json"))
    assert pool_records(folder).ensembles == ()
    chosen("mine").write(Path("ensemble.json"))
    assert [each.members for each in pool_records(folder).ensembles] == [chosen("mine").members]
    assert pool_records(folder).budget_bytes == 25


def test_another_metric_is_shown(folder: Path) -> None:
    records = pool_records(folder, "accuracy")
    assert records.metric == "accuracy"
    assert max(trial.gap for trial in records.trials if trial.gap is not None) == 1.0


def test_the_command_takes_a_pool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gapsack.sweep.cli.runs import app

    monkeypatch.chdir(folder.parent)
    done = CliRunner().invoke(app, ["report", "mine"])
    assert done.exit_code == 0, done.output
    text = Path("report.html").read_text(encoding="utf-8")
    assert "The best single model is strong." in text
