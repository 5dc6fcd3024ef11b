"""What trials begin with is found, held against their models and noted, before anything trains."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest

from gapsack.models import sizes
from gapsack.models.checkpoints import write_weights
from gapsack.selection.errors import InputError
from gapsack.selection.pool.origin import StartedFrom, TrialOrigin, read_origin
from gapsack.sweep.cli.show.status import status_values
from gapsack.sweep.cluster.away import worker_here
from gapsack.sweep.cluster.launch import changes
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.damage import digest_of_file, digests
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec
from gapsack.sweep.runs.starting_weights import starting_weights, with_sources
from gapsack.sweep.runs.status import state_of
from gapsack.sweep.storage import mirrored
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.storage.objects import ObjectStore
from gapsack.sweep.tracking.contents import training_params

DATA = {"level": "frame", "validate": ["v*"], "classes": 6, "rgb": 8, "audio": 4, "max_frames": 4}
NETVLAD = {"family": "gated_netvlad", "options": {"mixtures": 2, "hidden": 4}}
BOTH = {"grid": {"clusters": [2, 4]}}


def grid_of(start_from, search=BOTH, model=NETVLAD, **sections):
    training = {} if start_from is None else {"start_from": start_from}
    return Grid.model_validate(
        {"name": "phase", "data": DATA, "model": model, "search": search, "training": training, **sections}
    )


@pytest.fixture
def storage(tmp_path, trial_result):
    """Runs `first`, whose trials K2-H4 and K4-H4 are done, and `bags`, a run of another family."""
    models = {"first": (NETVLAD, BOTH), "bags": ({"family": "dbof"}, {"points": [{"clusters": 4, "hidden": 4}]})}
    for name, (model, search) in models.items():
        run = RunFolder(tmp_path / "runs" / name)
        run.path.mkdir(parents=True)
        run.config_file.write_text("{}")
        for number, point in enumerate(trial_points(grid_of(None, search, model))):
            trial = run.trial(point.name)
            tensors = sizes.tensors(point.family, point.hyperparameters)
            write_weights(trial.weights, {each.name: np.full(each.shape, number, np.float32) for each in tensors})
            shared = {"run": name, "family": point.family, "hyperparameters": point.hyperparameters}
            trial.finish(trial_result(point.name, files=digests(run.path, [trial.weights]), **shared))
    # A candidate of the pool is no concern of these tests, and the records vouch for one.
    for candidate in tmp_path.glob("runs/*/trials/*"):
        pool = candidate.parent.parent / "pool"
        pool.mkdir(exist_ok=True)
        (pool / f"{candidate.name}.json").write_text('{"name": "x", "size_bytes": {}}')
    return tmp_path / "runs"


def first(storage, name="K2-H4"):
    return RunFolder(storage / "first").trial(name)


def sha256(trial):
    return digest_of_file(trial.weights).sha256


def noted(grid, storage):
    """The grid with a note of its sources, as `sweep run` makes it."""
    return with_sources(grid, RunFolder(storage / grid.name))


def spec_of(grid, storage, axes=None):
    sweep = SweepSpec(str(storage / grid.name), grid, ("train",), ("held",))
    return sweep.trial(axes or {"clusters": 2})


@pytest.mark.parametrize(
    ("given", "run", "trial", "weights"),
    [
        ("first/K2-H4", "first", "K2-H4", None),
        ({"run": "first", "trial": "K2-H4"}, "first", "K2-H4", None),
        ({"run": "first"}, "first", None, None),
        ({"run": "elsewhere/first"}, "{folder}/elsewhere/first", None, None),
        ("./first/K2-H4", None, None, "{folder}/first/K2-H4"),
        ("first/K2.npz", None, None, "{folder}/first/K2.npz"),
        ("K2", None, None, "{folder}/K2"),
        ("../a/b", None, None, "{folder}/../a/b"),
        ("/a/b", None, None, "/a/b"),
    ],
)
def test_names_are_of_the_storage_and_paths_from_the_grid_file(tmp_path, given, run, trial, weights):
    file = tmp_path / "grid.yaml"
    file.write_text(
        "name: x\ndata: {level: frame, validate: [v]}\nmodel: {family: gated_netvlad}\n"
        f"search: {{points: [{{clusters: 2, hidden: 4}}]}}\ntraining: {{start_from: {given!r}}}\n".replace("'", '"')
    )
    start = load_grid(file).training.start_from
    expected = [None if each is None else each.format(folder=tmp_path) for each in (run, trial, weights)]
    assert [start.run, start.trial, start.weights] == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (5, "expected run/trial, the path of weights"),
        ({}, "expected either a run or weights, got neither"),
        ({"run": "a", "weights": "b"}, "got both"),
        ({"weights": "b", "trial": "c"}, "got weights and the trial c"),
        ({"runs": "a"}, "runs"),
    ],
)
def test_other_forms_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        grid_of(given)


def test_a_sampler_needs_one_trial_for_all(storage):
    sampler = {"sampler": {"trials": 2, "space": {"dropout": {"low": 0.1, "high": 0.5}}}}
    model = {"family": "gated_netvlad", "options": {"mixtures": 2, "hidden": 4, "clusters": 2}}
    with pytest.raises(ValueError, match="one trial beside a sampler, got a run alone"):
        grid_of({"run": "first"}, sampler, model)
    grid = noted(grid_of("first/K2-H4", sampler, model), storage)
    drawn = spec_of(grid, storage, {"dropout": 0.3})
    assert drawn.started_from.sha256 == sha256(first(storage))
    wider = {"sampler": {"trials": 2, "space": {"clusters": {"choices": [2, 3, 4]}}}}
    with pytest.raises(ConfigError, match="clusters is 2 in place of 4"):
        noted(grid_of("first/K2-H4", wider), storage)


def test_each_trial_is_noted_with_its_own_source(storage):
    grid = noted(grid_of({"run": "first"}), storage)
    for name, axes in (("K2-H4", {"clusters": 2}), ("K4-H4", {"clusters": 4})):
        spec = spec_of(grid, storage, axes)
        expected = StartedFrom(sha256=sha256(first(storage, name)), run="first", trial=name)
        assert spec.started_from == expected
        assert list(spec.grid.training.start_from.sources) == [name]
        assert TrialSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert float(next(iter(starting_weights(spec).values())).ravel()[0]) == 1
    values = status_values(state_of(spec.run, grid, alive=False))
    assert [each["started_from"]["trial"] for each in values["trials"]] == ["K2-H4", "K4-H4"]
    params = training_params(grid)
    assert params["training.start_from.run"] == "first"
    assert not any("sources" in key for key in params)


@pytest.mark.parametrize("form", ["first/K2-H4", "{folder}/first/trials/K2-H4", "{folder}/copy.npz"])
def test_the_fingerprint_knows_what_is_in_the_weights_and_not_where_they_lie(storage, form):
    one = {"points": [{"clusters": 2}]}
    (storage / "copy.npz").write_bytes(first(storage).weights.read_bytes())
    start = form.format(folder=storage)
    grid = noted(grid_of(start, one), storage)
    spec, alone = spec_of(grid, storage), spec_of(grid_of(None, one), storage)
    by_trial = spec_of(noted(grid_of({"run": "first"}, one), storage), storage)
    assert spec.fingerprint() == by_trial.fingerprint() != alone.fingerprint()
    whose = {"file": "copy.npz"} if form.endswith(".npz") else {"run": "first", "trial": "K2-H4"}
    assert spec.started_from.to_dict() == {"sha256": sha256(first(storage)), **whose}
    assert changes(noted(grid_of({"run": "first"}, one), storage), grid) == []


def test_another_start_is_another_training(storage):
    one = {"points": [{"clusters": 2}]}
    before = noted(grid_of("first/K2-H4", one), storage)
    other = dict(starting_weights(spec_of(before, storage)))
    other[next(iter(other))] = other[next(iter(other))] + 1
    write_weights(storage / "other.npz", other)
    after = noted(grid_of(str(storage / "other.npz"), one), storage)
    assert spec_of(before, storage).fingerprint() != spec_of(after, storage).fingerprint()
    assert "training.start_from for every trial had weights of the SHA-256" in changes(before, after)[0]
    assert changes(before, grid_of(None, one)) == ["training.start_from was there and is not"]
    assert changes(grid_of(None, one), before) == ["training.start_from was not there and is there"]
    assert changes(before, before) == []


def test_points_may_be_added_to_a_phase(storage):
    fewer = noted(grid_of({"run": "first"}, {"points": [{"clusters": 2}]}), storage)
    assert changes(fewer, noted(grid_of({"run": "first"}), storage)) == []


def test_missing_trials_are_told_all_at_once(storage):
    first(storage, "K4-H4").record.unlink()
    more = {"grid": {"clusters": [2, 4, 6]}}
    with pytest.raises(
        ConfigError, match=r"expected these 3 trials done in .*first, with weights; lacking K4-H4, K6-H4"
    ):
        noted(grid_of({"run": "first"}, more), storage)
    first(storage, "K4-H4").fail("no")
    with pytest.raises(ConfigError, match=r"lacking K4-H4 \(failed\)$"):
        noted(grid_of({"run": "first"}), storage)
    first(storage).weights.unlink()
    with pytest.raises(ConfigError, match=r"expected the trial K2-H4 done .* lacking K2-H4 \(without its weights\)"):
        noted(grid_of("first/K2-H4"), storage)
    with pytest.raises(InputError, match=r"training.start_from: expected the folder of a run at .*nowhere, got none"):
        noted(grid_of({"run": "nowhere"}), storage)
    with pytest.raises(ConfigError, match=r"expected a file of weights at .*no\.npz, got none"):
        noted(grid_of(str(storage / "no.npz")), storage)


def test_a_trial_that_is_done_needs_its_source_no_more(storage, trial_result):
    grid = noted(grid_of({"run": "first"}), storage)
    done = spec_of(grid, storage)
    done.folder.finish(trial_result(done.name, started_from=done.started_from))
    first(storage).weights.unlink()
    assert noted(grid_of({"run": "first"}), storage) == grid
    first(storage, "K4-H4").weights.unlink()
    with pytest.raises(ConfigError, match=r"expected the trial K4-H4 done .* lacking K4-H4 \(without its weights\)"):
        noted(grid_of({"run": "first"}), storage)


def test_trials_that_the_budget_rules_out_need_no_source(storage):
    more = {"grid": {"clusters": [2, 4000]}}
    grid = noted(grid_of({"run": "first"}, more, budget={"mib": 0.1}), storage)
    assert list(grid.training.start_from.sources) == ["K2-H4"]


def test_weights_that_do_not_fit_are_refused_in_one_sentence(storage):
    with pytest.raises(
        ConfigError, match=r"of a model such as trial K4-H4, .* place of .*: clusters is 2 in place of 4"
    ):
        noted(grid_of("first/K2-H4"), storage)
    with pytest.raises(ConfigError, match=r"a gated_netvlad, got those of a dbof$"):
        noted(grid_of("bags/C4-H4"), storage)
    write_weights(storage / "odd.npz", {"odd": np.zeros(3)})
    with pytest.raises(ConfigError, match=r"is missing, .* and \d+ others$"):
        noted(grid_of(str(storage / "odd.npz")), storage)
    (storage / "odd.npz").write_bytes(b"PK\x03\x04 not whole")
    with pytest.raises(ConfigError, match="whose end is missing or damaged"):
        noted(grid_of(str(storage / "odd.npz")), storage)


def test_weights_that_change_are_refused(storage):
    trial, grid = first(storage), noted(grid_of({"run": "first"}), storage)
    spec, kept = spec_of(grid, storage), trial.weights.read_bytes()
    place = kept.index(b"\x00" * 64)
    trial.weights.write_bytes(kept[:place] + b"\x01" + kept[place + 1 :])
    with pytest.raises(ConfigError, match=r"expected in .* the weights that this run began with, got others"):
        starting_weights(spec)
    with pytest.raises(ConfigError, match="as it was written when its trial was done, got other contents"):
        noted(grid_of({"run": "first"}), storage)
    trial.record.unlink()
    pinned = grid_of({"weights": str(trial.weights), "sources": {"*": {"sha256": "0" * 64}}})
    with pytest.raises(ConfigError, match="of the SHA-256 0000"):
        noted(pinned, storage)
    with pytest.raises(InputError, match="expected in the grid of K2-H4 what sweep run notes"):
        starting_weights(spec_of(grid_of("first/K2-H4"), storage))


def test_a_grid_with_sources_survives_json(storage):
    grid = noted(grid_of({"run": "first"}), storage)
    assert Grid.model_validate(grid.to_dict()) == grid


def test_records_and_origins_tell_and_earlier_ones_are_read(trial_result):
    start = StartedFrom(sha256="ab", run="first", trial="K2-H4")
    record = trial_result(started_from=start)
    assert TrialResult.model_validate_json(record.model_dump_json()) == record
    earlier = {key: value for key, value in record.to_dict().items() if key != "started_from"}
    assert TrialResult.model_validate_json(json.dumps(earlier)).started_from is None
    origin = TrialOrigin(run="second", family="dbof", weights="w.npz", task={"name": "x"}, started_from=start)
    assert read_origin(origin.to_dict(), {}, "file") == origin
    assert origin.to_dict()["started_from"] == {"sha256": "ab", "run": "first", "trial": "K2-H4"}
    without = {key: value for key, value in origin.to_dict().items() if key != "started_from"}
    found = read_origin(without, {}, "file")
    assert isinstance(found, TrialOrigin)
    assert found.started_from is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_not_begun_with(storage, value):
    file = storage / "elsewhere.npz"
    tensors = sizes.tensors("gated_netvlad", trial_points(grid_of(None))[0].hyperparameters)
    weights = {each.name: np.zeros(each.shape, np.float32) for each in tensors}
    next(iter(weights.values())).flat[0] = value
    write_weights(file, weights)
    grid = noted(grid_of({"weights": str(file)}, {"grid": {"clusters": [2]}}), storage)
    with pytest.raises(ConfigError, match=f"numbers alone, got NaN or infinity in {tensors[0].name}"):
        starting_weights(spec_of(grid, storage))


@pytest.fixture
def bucket(storage, tmp_path, monkeypatch):
    """The same runs, with a file of weights, at a URL."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mirrored, "_mirrors", [])
    store = ObjectStore(f"memory://bucket/{uuid.uuid4().hex}")
    for path in storage.rglob("*"):
        if path.is_file():
            store.write(path.relative_to(storage).as_posix(), path.read_bytes())
    store.write("copy.npz", first(storage).weights.read_bytes())
    return store


@pytest.mark.parametrize("form", ["{url}/first/trials/K2-H4", "{url}/copy.npz", {"run": "{url}/first"}])
def test_weights_at_a_url_are_those_of_a_folder(storage, bucket, form):
    one = {"points": [{"clusters": 2}]}
    form = (
        form.format(url=bucket.address)
        if isinstance(form, str)
        else {key: value.format(url=bucket.address) for key, value in form.items()}
    )
    here, there = noted(grid_of("first/K2-H4", one), storage), noted(grid_of(form, one), storage)
    spec = spec_of(there, storage)
    assert spec.fingerprint() == spec_of(here, storage).fingerprint()
    weights = starting_weights(spec)
    for name, array in starting_weights(spec_of(here, storage)).items():
        np.testing.assert_array_equal(weights[name], array)
    for name in bucket.listed():
        if name.endswith(".npz"):
            bucket.write(name, b"others")
    with pytest.raises(ConfigError, match=r"the weights that this run began with, got others"):
        starting_weights(spec)


def test_a_run_at_a_url_begins_with_its_neighbour_there(bucket, tmp_path):
    url = f"{bucket.address}/phase"
    grid = with_sources(grid_of({"run": "first"}), RunFolder(mirrored.driven(url)))
    sweep = SweepSpec(str(mirrored.driven(url)), grid, ("train",), ("held",), url=url)
    with worker_here(sweep) as here:
        spec = here.trial({"clusters": 2})
        assert spec.started_from == StartedFrom(sha256=spec.started_from.sha256, run="first", trial="K2-H4")
        assert len(starting_weights(spec)) > 0
    bucket.delete("first/trials/K2-H4/weights.npz")
    with (
        pytest.raises(
            ConfigError, match=rf"expected a file of weights at {bucket.address}/first/trials/K2-H4/weights.npz"
        ),
        worker_here(sweep) as here,
    ):
        starting_weights(here.trial({"clusters": 2}))


def test_what_lacks_at_a_url_is_told_by_it(storage, bucket):
    bucket.delete("first/trials/K4-H4/record.json")
    with pytest.raises(ConfigError) as refused:
        noted(grid_of({"run": f"{bucket.address}/first"}), storage)
    assert "lacking K4-H4" in str(refused.value)
    assert f"done in {bucket.address}/first, with weights" in as_told(str(refused.value))
    with pytest.raises(ConfigError, match=rf"expected the folder of a run at {bucket.address}/nowhere, got none"):
        noted(grid_of({"run": f"{bucket.address}/nowhere"}), storage)
    with pytest.raises(ConfigError) as refused:
        noted(grid_of(f"{bucket.address}/no.npz"), storage)
    assert f"expected a file of weights at {bucket.address}/no.npz, got none" in as_told(str(refused.value))


def test_urls_in_a_grid_file_stay_what_they_are(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(
        "name: x\ndata: {level: frame, validate: [v]}\nmodel: {family: gated_netvlad}\n"
        "search: {points: [{clusters: 2, hidden: 4}]}\n"
        "training: {start_from: {run: 's3://b/runs/first'}, teacher: {predictions: 's3://b/teacher'}}\n"
    )
    training = load_grid(file).training
    assert training.start_from.run == "s3://b/runs/first"
    assert training.teacher.predictions == "s3://b/teacher"
