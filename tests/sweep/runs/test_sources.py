from __future__ import annotations

import os
from pathlib import Path

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.sources import find_ensemble, find_graph, find_pool


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def make_run(folder: Path, *, age_seconds: int = 0) -> RunFolder:
    run = RunFolder(folder)
    config = make(run.config_file)
    os.utime(config, (1e9 - age_seconds, 1e9 - age_seconds))
    make(run.pool / "labels.npz")
    return run


def test_without_a_source_the_newest_run_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="expected a candidate pool"):
        find_pool(None)
    make_run(tmp_path / "runs" / "old", age_seconds=60)
    new = make_run(tmp_path / "runs" / "new")
    found = find_pool(None)
    assert found.path == find_pool(Path("new")).path == new.pool
    assert found.beside("ensemble_file", "ensemble.json") == new.ensemble_file
    # The old run is the only one with an ensemble.
    old = RunFolder(tmp_path / "runs" / "old")
    make(old.ensemble_file)
    assert find_ensemble(None).path == old.ensemble_file


def test_a_run_its_pool_and_a_pool_made_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "somewhere" / "a")
    for given in (run.path, run.pool):
        found = find_pool(given)
        assert found.path == run.pool
        assert found.run is not None
        assert found.run.path == run.path
    by_hand = tmp_path / "by_hand"
    make(by_hand / "labels.npz")
    monkeypatch.chdir(by_hand)
    found = find_pool(None)
    assert (found.path, found.run) == (by_hand, None)
    assert found.beside("ensemble_file", "ensemble.json") == by_hand / "ensemble.json"


def test_ensemble_as_a_file_or_in_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    with pytest.raises(InputError, match=r"ensemble\.json"):
        find_ensemble(run.path)
    make(run.ensemble_file)
    assert find_ensemble(run.path).path == find_ensemble(run.ensemble_file).path == run.ensemble_file
    other = make(tmp_path / "elsewhere" / "mine.json")
    assert find_ensemble(other).run is None


def test_graph_in_a_run_or_by_itself(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    make(run.graph / "saved_model.pb")
    assert find_graph(run.path).path == find_graph(run.graph).path == run.graph
    with pytest.raises(InputError, match="as select build makes it"):
        find_graph(tmp_path)
