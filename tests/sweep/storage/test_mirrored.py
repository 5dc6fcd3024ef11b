"""Runs and pools at URLs, as readers, drivers and workers have them; memory:// is the storage that both of two see."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from gapsack.models.errors import TrainingError
from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.selection.pool import CandidatePool
from gapsack.sweep import api
from gapsack.sweep.cluster.away import driver_here, worker_here
from gapsack.sweep.cluster.worker import run_in_worker
from gapsack.sweep.runs.attempts import TrialSupersededError
from gapsack.sweep.runs.folder import RunFolder, find_run, runs_in
from gapsack.sweep.runs.rungs import RungHistory
from gapsack.sweep.runs.sources import find_pool
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.witness import leave_witness, refuse_another_folder
from gapsack.sweep.storage import mirrored as places
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import driven, is_there, mirrored, place_of, reading, url_in
from gapsack.sweep.storage.objects import ObjectStore


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(places, "_mirrors", [])
    return f"memory://bucket/{uuid.uuid4().hex}/mine"


@pytest.fixture
def sweep(small_trial, url):
    spec = small_trial()
    return SweepSpec(str(driven(url)), spec.grid, spec.train_files, spec.holdout_files, url=url), spec.point.axes


def test_a_path_that_was_a_url_is_taken_for_it_and_no_other():
    assert url_in(Path("s3://bucket/runs/mine")) == "s3://bucket/runs/mine"
    assert url_in("https://host/a") == "https://host/a"
    assert [url_in(each) for each in ("runs/mine", "/runs", "c:/runs", "s3:")] == [None] * 4
    assert place_of("runs/mine") == Path("runs/mine")
    with pytest.raises(InputError, match="expected a path here, got the URL s3://bucket/runs"):
        place_of("s3://bucket/runs")


def test_paths_of_no_mirror_are_let_alone(tmp_path):
    assert address_of(tmp_path) == str(tmp_path)
    for nothing in (places.send, places.bring, places.bring_books, places.forget):
        nothing(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
    assert places.bytes_elsewhere(tmp_path / "missing") is None


def test_a_pool_at_a_url_is_read_and_what_is_chosen_of_it_is_put_beside_it(url, noisy_pool, tmp_path):
    pool = noisy_pool((1.0, 1.2, 0.9), (40, 20, 50))
    pool.write(tmp_path / "pool")
    store = ObjectStore(url)
    for path in (tmp_path / "pool").iterdir():
        store.write(f"pool/{path.name}", path.read_bytes())
    here = api.ensemble(tmp_path / "pool", budget_mib=1, out=tmp_path / "ensemble.json")
    there = api.ensemble(f"{url}/pool", budget_mib=1, out=f"{url}/ensemble.json")
    assert there.members == here.members
    assert store.read("ensemble.json") is not None
    assert api.explain(f"{url}/ensemble.json") == api.explain(tmp_path / "ensemble.json")
    assert b"explanation" in (store.read("ensemble.json") or b"")
    with reading():
        assert [each.name for each in CandidatePool.read(find_pool(Path(f"{url}/pool")).path).candidates] == [
            "m0",
            "m1",
            "m2",
        ]


def test_what_a_notebook_is_told_names_urls(url, noisy_pool, tmp_path):
    noisy_pool((1.0, 1.2, 0.9), (40, 20, 50)).write(tmp_path / "pool")
    store = ObjectStore(url)
    for path in (tmp_path / "pool").iterdir():
        store.write(path.name, path.read_bytes())
    store.write("m1.json", b"{")
    with pytest.warns(UserWarning, match=rf"{url}/m1.json"):
        api.ensemble(url, budget_mib=1)
    store.write("labels.npz", b"PK")
    with pytest.raises(InputError, match=rf"{url}/labels.npz") as refused:
        api.frontier(url)
    assert str(tmp_path) not in str(refused.value)


def test_runs_at_a_url_are_found_by_name_by_url_and_as_the_newest(url):
    storage, _, name = url.rpartition("/")
    ObjectStore(url).write("config.json", b"{}")
    with reading():
        assert [run.address for run in runs_in(Path(storage))] == [url]
        for given in (None, Path(name), Path(url)):
            assert find_run(given, Path(storage)).address == url
        with pytest.raises(InputError, match=rf"expected a run folder .*, got {storage}/other"):
            find_run(Path("other"), Path(storage))
        with pytest.raises(InputError, match=r"expected a run in memory://bucket/empty, got none"):
            find_run(None, Path("memory://bucket/empty"))


def test_a_run_at_a_url_has_one_driver(url, tmp_path):
    run = RunFolder(driven(url))
    with run.held():
        assert run.is_alive()
        # That of another machine, which shares no file with this one.
        with mirrored(tmp_path / "other") as mirror:
            other = RunFolder(mirror.path(url))
            assert other.is_alive()
            with (
                pytest.raises(InputError, match=rf"another process is running {url} \(process \d+ on "),
                other.held(),
            ):
                pytest.fail("it is held")
    assert not run.is_alive()
    assert ObjectStore(url).read("lock.lease") is None


def test_a_driver_without_its_folder_has_from_the_bucket_what_it_wrote(url, tmp_path):
    run = RunFolder(driven(url))
    with run.held():
        replace_json(run.config_file, {"a": 1})
        replace_json(run.trial("K2").record, {"b": 2})
        run.trial("K2").checkpoints.mkdir()
        (run.trial("K2").checkpoints / "state.npz").write_bytes(b"large")
    with mirrored(tmp_path / "other") as mirror:
        other = RunFolder(mirror.path(url))
        with other.held():
            assert other.config_file.exists()
            assert other.trial("K2").record.exists()
            assert not other.trial("K2").checkpoints.exists()
            places.forget(other.trial("K2").checkpoints)
    assert "trials/K2/checkpoints/state.npz" not in ObjectStore(url).listed()


def test_attempts_of_two_workers_that_share_no_file_are_numbered_in_the_bucket(sweep):
    spec, axes = sweep
    with worker_here(spec) as one, worker_here(spec) as other:
        first = one.trial(axes).folder.begin({"of": "first"})
        first.check()
        second = other.trial(axes).folder.begin({"of": "second"})
        assert (first.token.number, second.token.number) == (1, 2)
        second.check()
        with pytest.raises(TrialSupersededError, match=r"attempt 2, process .* has begun since"):
            first.check()
        folder = Path(one.run_folder)
        assert folder.exists()
    assert not folder.exists(), "a worker leaves nothing"


def test_a_worker_begins_with_what_the_last_one_sent_and_nothing_else(sweep):
    spec, axes = sweep
    with worker_here(spec) as one:
        trial = one.trial(axes).folder
        trial.begin({})
        trial.checkpoints.mkdir()
        (trial.checkpoints / "state.npz").write_bytes(b"state")
        places.send(one.run.path)
        (trial.checkpoints / "weights-1.npz").write_bytes(b"not sent: killed before")
    with worker_here(spec) as other:
        trial = other.trial(axes).folder
        trial.begin({})
        assert [path.name for path in trial.checkpoints.iterdir()] == ["state.npz"]


def test_a_worker_sees_the_bucket_of_its_driver_or_says_so(sweep):
    spec, _axes = sweep
    token = leave_witness(spec.run.path)
    with worker_here(spec) as here:
        refuse_another_folder(here.run.path, token, patience_seconds=0)
    with (
        worker_here(replace(spec, url=f"{spec.url}/elsewhere")) as elsewhere,
        pytest.raises(InputError, match=rf"the run's folder {spec.url}/elsewhere .*, got none there"),
    ):
        refuse_another_folder(elsewhere.run.path, token, patience_seconds=0)


def test_what_a_worker_says_of_its_end_names_urls_and_not_its_own_folder(sweep):
    spec, axes = sweep
    name = spec.trial(axes).name
    with pytest.raises(FileNotFoundError) as met, worker_here(spec) as here:
        raise FileNotFoundError(2, "nothing there", str(here.trial(axes).folder.weights))
    assert met.value.filename == f"{spec.url}/trials/{name}/weights.npz"

    def trial(spec, _control):
        raise TrainingError(f"the loss in {spec.folder.curve} is not finite")

    with worker_here(spec) as here:
        told = run_in_worker(trial, here.trial(axes), lambda _metrics: None)
    assert told == {"status": "failed", "reason": f"the loss in {spec.url}/trials/{name}/curve.csv is not finite"}
    assert told["reason"].encode() in (ObjectStore(spec.url).read(f"trials/{name}/failure.json") or b"")


def test_decisions_of_the_tune_process_and_a_stop_reach_workers(sweep):
    spec, axes = sweep
    with worker_here(spec) as here, driver_here(spec):
        RungHistory(exempt=True).write(spec.trial(axes).folder)
        places.bring(here.trial(axes).folder.rungs)
        assert RungHistory.of(here.trial(axes).folder).exempt
        assert not is_there(here.run.stop_file)
        ObjectStore(spec.url).write("stop", b"")
        assert is_there(here.run.stop_file)
