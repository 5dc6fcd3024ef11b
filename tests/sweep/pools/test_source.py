from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.pools.source import ImportSource, import_source
from gapsack.sweep.runs.folder import RunFolder

ARRAYS = {"format": "arrays", "train": ["*"], "inputs": {"x": [3]}, "classes": 4, "labels": "multi_class"}
GRID = {
    "name": "small",
    "data": {"level": "video", "train": ["*"], "validate": ["*"], "max_frames": 8},
    "model": {"family": "gated_netvlad"},
    "search": {"points": [{"clusters": 2, "hidden": 8}]},
    "training": {"steps": 1, "batch_size": 8},
}


@pytest.fixture
def run(tmp_path: Path, small_files: dict[str, Any]) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    replace_json(run.config_file, Grid.model_validate(GRID).to_dict())
    replace_json(run.files_file, {"train": list(small_files["train"]), "holdout": list(small_files["holdout"])})
    return run


def test_a_runs_pool_comes_with_its_held_out_files(run: RunFolder, small_files: dict[str, Any]) -> None:
    assert import_source(run.pool, [], None, None) == ImportSource(small_files["holdout"], "video", 8)
    given = import_source(run.pool, [small_files["train"][0]], "frame", 300)
    assert given == ImportSource(small_files["train"][:1], "frame", 300)


def test_another_pool_needs_its_files_named(run: RunFolder, tmp_path: Path, small_files: dict[str, Any]) -> None:
    for pool in (tmp_path / "pool", run.path / "other"):
        with pytest.raises(InputError, match=r"expected labelled data files \(--data\)"):
            import_source(pool, [], None, None)
        found = import_source(pool, [str(Path(small_files["train"][0]).parent / "train*")], None, None)
        assert found == ImportSource(small_files["train"], "frame", 300)
    with pytest.raises(DataError, match="nothing matches"):
        import_source(run.pool, [str(tmp_path / "none*")], None, None)


def test_models_from_elsewhere_do_not_go_into_a_pool_of_arrays(run: RunFolder) -> None:
    model = {"family": "keras_model", "options": {"builder": "models.py:build"}}
    grid = Grid.model_validate({**GRID, "data": ARRAYS, "model": model})
    replace_json(run.config_file, grid.to_dict())
    with pytest.raises(InputError, match=r"expected a pool for youtube8m, .* whose models are for dense"):
        import_source(run.pool, [], None, None)
