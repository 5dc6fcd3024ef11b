"""docs/grid.md names every key, with its true default, and its examples are valid."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gapsack.sweep.grid.problems import known_keys
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import AUTO, Grid

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "grid.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
REQUIRED = {"name": "x", "data": {"level": "video", "validate": ["v"]}, "model": {"family": "gated_netvlad"}}
SECTIONS = [
    (),
    ("data",),
    ("data", "holdout"),
    ("data", "arrays"),
    ("data", "arrays", "holdout"),
    ("model",),
    ("search",),
    ("search", "scheduler"),
    ("search", "sampler"),
    ("search", "sampler", "space"),
    ("training",),
    ("training", "averaging"),
    ("training", "pruning"),
    ("training", "teacher"),
    ("training", "start_from"),
    ("training", "start_from", "sources"),
    ("training", "sensitivity"),
    ("budget",),
    ("resources",),
    ("tracking",),
]


def block(part):
    """The example in which a line holds `part`."""
    return next(each for each in BLOCKS[1:] if part in each)


@pytest.fixture
def documented(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(BLOCKS[0])
    return load_grid(path)


def test_the_documented_defaults_are_the_defaults(documented):
    defaults = Grid.model_validate({**REQUIRED, "search": {"grid": {"clusters": [8]}}}).to_dict()
    shown = documented.to_dict()
    for section in ("training", "budget", "resources", "tracking", "storage"):
        assert shown[section] == defaults[section]
    for key in ("holdout", "train", "classes", "rgb", "audio", "max_frames", "max_bad_share"):
        assert shown["data"][key] == defaults["data"][key]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented(section):
    for key in known_keys(section):
        assert re.search(rf"\b{key}\b", TEXT), f"{section}: {key}"


def test_every_section_of_the_schema_is_looked_at():
    def sections_below(path):
        for key in known_keys(path):
            if known_keys((*path, key)) != known_keys(path):
                yield (*path, key)
                yield from sections_below((*path, key))

    arrays = {("data", "arrays"), *sections_below(("data", "arrays"))}  # `known_keys` goes there by the format's name
    assert {(), *sections_below(()), *arrays} == set(SECTIONS)


def test_the_documented_sampler_is_valid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(BLOCKS[0][: BLOCKS[0].index("search:")] + block("sampler:"))
    sampler = load_grid(path).search.sampler
    assert sampler is not None
    assert sampler.trials == 20


def test_the_documented_scheduler_is_valid_and_its_defaults_are_the_defaults(tmp_path):
    path = tmp_path / "grid.yaml"
    after = BLOCKS[0][BLOCKS[0].index("training:") :]
    path.write_text(BLOCKS[0][: BLOCKS[0].index("search:")] + block("scheduler:") + after)
    scheduler = load_grid(path).search.scheduler
    assert scheduler is not None
    assert (scheduler.kind, scheduler.grace_steps) == ("mo_asha", 20_000)
    path.write_text(path.read_text().replace(", grace_steps: 20000, reduction_factor: 3, publish_stopped: false", ""))
    assert load_grid(path).search.scheduler == scheduler.model_copy(update={"grace_steps": None})


def test_the_documented_families_are_valid(tmp_path):
    path = tmp_path / "grid.yaml"
    after = BLOCKS[0][BLOCKS[0].index("training:") :]
    path.write_text(BLOCKS[0][: BLOCKS[0].index("model:")] + block("families:") + after)
    assert load_grid(path).model.names == ("nextvlad", "gru_bidirect")


def test_the_documented_smaller_members_are_valid(tmp_path):
    path = tmp_path / "grid.yaml"
    head, rest = BLOCKS[0].split("training:\n")
    path.write_text(head + block("pruning: {sparsity: 0.75}") + rest[rest.index("budget:") :])
    training = load_grid(path).training
    assert training.pruning is not None
    assert training.precisions[-1] == AUTO


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(path, tmp_path):
    folder = tmp_path / "example"
    shutil.copytree(path.parent, folder)
    np.savez(folder / "digits.npz", image=np.zeros((20, 8, 8)), labels=np.arange(20) % 10)  # as make_data.py has them
    assert load_grid(folder / path.name).name
