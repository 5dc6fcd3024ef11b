"""Whether a machine suits a sweep, on this one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.selection.errors import GapsackError
from gapsack.sweep.cluster import fitness, probe
from gapsack.sweep.cluster.fitness import node_problem, on_fit_node
from gapsack.sweep.cluster.node_check import question_of
from gapsack.sweep.errors import UnfitNodeError
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.storage.objects import ObjectStore


@pytest.fixture
def data(tmp_path) -> list[Path]:
    files = [tmp_path / "data" / f"train{number}.tfrecord" for number in range(5)]
    files[0].parent.mkdir()
    for number, path in enumerate(files):
        path.write_bytes(b"x" * (10 + number))
    return files


@pytest.fixture
def asked(data) -> probe.Question:
    return probe.here(map(str, data), backend="tensorflow", gpu=False)


def test_the_drivers_own_machine_suits(asked):
    assert probe.all_problems(asked) == []
    [names] = asked.folders.values()
    assert len(names) == 5
    assert sorted(asked.sizes_bytes.values()) == [10, 11, 12]


def test_another_version_or_other_sources_are_told(asked):
    older = dataclasses.replace(asked, version="0.0.9")
    assert probe.problems(older) == [f"it has gapsack {asked.version}, and the driver 0.0.9"]
    other = dataclasses.replace(asked, sources="0" * 16)
    assert probe.problems(other) == [
        f"it has gapsack {asked.version} of other sources than the driver's (another commit)"
    ]
    [said] = probe.problems(dataclasses.replace(asked, backend="no_such_backend"))
    assert said.startswith("no_such_backend is not installed: pip install 'gapsack[train]'")


def test_sources_differ_by_a_single_letter(tmp_path, monkeypatch):
    package = tmp_path / "otherpack"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1"\n')
    (package / "room" / "code.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(probe, "PACKAGE", "otherpack")
    first = probe.installed()
    (package / "room" / "notes.txt").write_text("no code")
    assert probe.installed() == first
    (package / "room" / "code.py").write_text("x = 2\n")
    assert probe.installed()[0] == first[0]
    assert probe.installed()[1] != first[1]


def test_a_package_that_is_not_there_is_told(asked, monkeypatch):
    monkeypatch.setattr(probe, "PACKAGE", "no_such_package")
    assert probe.problems(asked) == [
        "no_such_package cannot be imported (ModuleNotFoundError: No module named 'no_such_package')"
    ]


def test_data_that_are_not_here_or_are_others_are_told(asked, data):
    data[1].write_bytes(b"x")
    assert probe.data_problems(asked) == [f"its {data[1]} has 1 bytes, and the driver's 11"]
    data[4].unlink()
    assert probe.data_problems(asked) == [f"1 of 5 data files are not in its {data[4].parent}, such as train4.tfrecord"]
    data[0].parent.rename(data[0].parent.with_name("elsewhere"))
    assert probe.data_problems(asked) == [
        f"it does not see the data folder {data[0].parent} (No such file or directory)"
    ]


@pytest.mark.parametrize(
    ("listed", "hidden", "words"),
    [
        (0, None, "TensorFlow sees no GPU, and nvidia-smi lists none: install NVIDIA's driver"),
        (
            2,
            None,
            "nvidia-smi lists 2: it lacks CUDA's libraries, which pip install 'gapsack[gpu]' brings (tensorflow[",
        ),
        (2, "", "TensorFlow sees no GPU, since CUDA_VISIBLE_DEVICES is ''; nvidia-smi lists 2"),
    ],
)
def test_a_gpu_that_is_not_seen_is_told_with_what_to_install(monkeypatch, listed, hidden, words):
    monkeypatch.setattr(probe, "_listed_gpus", lambda: listed)
    if hidden is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert words in probe.gpu_problem("tensorflow", 0)
    assert probe.gpu_problem("tensorflow", 1) is None


def test_a_library_that_cannot_be_asked_for_gpus_is_told(monkeypatch):
    monkeypatch.setattr(probe, "COUNT_GPUS", "import no_such_library")
    assert probe.gpus_of_another_process("jax") == (
        0,
        "JAX cannot be asked for GPUs: ModuleNotFoundError: No module named 'no_such_library'",
    )
    monkeypatch.setattr(
        probe, "COUNT_GPUS", "import os; print('a notice'); print(2 + ('CUDA_VISIBLE_DEVICES' in os.environ))"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert probe.gpus_of_another_process("jax") == (2, None)


def test_the_look_needs_nothing_but_python():
    """It is sent to machines that may have no gapsack."""
    code = (
        "import runpy, sys; sys.modules['gapsack'] = None; found = runpy.run_path(sys.argv[1]); "
        "print(found['problems'](found['Question']('1', '0', 'tensorflow')))"
    )
    command = [sys.executable, "-I", "-c", code, probe.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "gapsack cannot be imported (ModuleNotFoundError" in done.stdout


class Ran:
    """A trial function that notes that it ran."""

    def __init__(self):
        self.count = 0

    def __call__(self, spec, control):
        self.count += 1
        return "record"


def test_a_trial_that_asks_for_a_gpu_and_sees_none_fails_instead_of_training_on_the_cpu(monkeypatch):
    trial, asked = Ran(), probe.Question("", "", "tensorflow", gpu=True)
    monkeypatch.setattr(fitness, "gpu_count", lambda _backend: 0)
    with pytest.raises(GapsackError, match=r"the trial asks for a GPU \(resources.gpus\), but TensorFlow sees no GPU"):
        on_fit_node(trial, asked, on_cluster=False)(None, None)
    assert trial.count == 0
    monkeypatch.setattr(fitness, "gpu_count", lambda _backend: 1)
    assert on_fit_node(trial, asked, on_cluster=False)(None, None) == "record"


def test_a_trial_on_a_node_that_joined_late_looks_first(asked, data):
    trial = Ran()
    assert on_fit_node(trial, asked, on_cluster=True)(None, None) == "record"
    data[0].unlink()
    with pytest.raises(UnfitNodeError, match="cannot be trained on this node: 1 of 5 data files are not in its"):
        on_fit_node(trial, asked, on_cluster=True)(None, None)
    assert trial.count == 1
    assert node_problem(dataclasses.replace(asked, sources="x"), on_cluster=True).endswith("(another commit)")
    assert node_problem(dataclasses.replace(asked, sources="x"), on_cluster=False) is None


def test_a_run_that_is_not_here_as_the_driver_sees_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "FOLDER_SECONDS", 0.0)
    asked = probe.Question("", "", "tensorflow", storage=str(tmp_path), witness="of this start")
    told = [
        f"it does not see the run's folder {tmp_path} as the driver does: "
        "storage must be a folder that all nodes see, or a bucket"
    ]
    assert probe.storage_problems(asked) == told
    (tmp_path / "witness").write_text("of another start")
    assert probe.storage_problems(asked) == told
    (tmp_path / "witness").write_text("of this start")
    assert probe.storage_problems(asked) == []
    assert probe.storage_problems(dataclasses.replace(asked, storage="/nowhere", witness="")) == []


def test_a_bucket_is_read_from_and_written_to(s3, monkeypatch):
    url = f"{s3.bucket}probed"
    asked = probe.Question("", "", "tensorflow", storage=url, witness="of this start")
    [said] = probe.storage_problems(asked)
    assert said == f"it does not see {url} as the driver does: another bucket answers there, or another server"
    store = ObjectStore(url)
    store.write("witness", b"of this start")
    assert probe.storage_problems(asked) == []
    assert store.names() == ["witness"], "what was tried is gone"
    s3.no_writing = True
    try:
        [said] = probe.storage_problems(asked)
    finally:
        s3.no_writing = False
    assert said.startswith(f"it cannot work at {url}: expected rights to {url}/.node-")
    [said] = probe.storage_problems(dataclasses.replace(asked, storage="s3://no-such-bucket/runs"))
    assert said.startswith("it does not see s3://no-such-bucket/runs") or "no-such-bucket" in said
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    [said] = probe.storage_problems(dataclasses.replace(asked, storage="gs://bucket/runs"))
    assert "pip install 'gapsack[gcs]'" in said


def test_nodes_are_asked_about_the_run_where_its_driver_left_something(small_trial):
    spec = small_trial()
    sweep = SweepSpec(spec.run_folder, spec.grid, spec.train_files, spec.holdout_files, "token", "s3://bucket/run")
    asked = question_of(sweep, backend="tensorflow", gpu=False, on_cluster=True)
    assert (asked.storage, asked.witness) == ("s3://bucket/run", "token")
    asked = question_of(dataclasses.replace(sweep, url=None), backend="tensorflow", gpu=False, on_cluster=True)
    assert (asked.storage, asked.witness) == (spec.run_folder, "token")
    assert question_of(sweep, backend="tensorflow", gpu=False, on_cluster=False).witness == ""
