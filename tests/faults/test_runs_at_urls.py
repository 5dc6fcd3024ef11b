"""Sweeps whose runs and data lie on S3: killed, gone on with elsewhere, read, and begun with, as those in folders."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gapsack.sweep.cli.runs import app
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.storage import mirrored
from gapsack.sweep.storage.objects import ObjectStore

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

GRID = """
name: tiny
data:
  {level: video, folder: data, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"], classes: 20,
   holdout: {count: 1}}
model: {family: gated_netvlad}
search: {grid: {clusters: CLUSTERS, hidden: [8]}}
training:
  {steps: STEPS, batch_size: 16, checkpoint_steps: 25, log_steps: 50, averaging: {last: 3, max_evaluations: 6}}
resources: {concurrent: 2}
tracking: {uri: none}
"""
START = "import sys; from gapsack.sweep.cli import main; sys.argv[0] = 'sweep'; main()"
SECONDS = 900


@pytest.fixture
def place(tmp_path, monkeypatch, s3):
    """A working folder with the grid and its data, which lie on S3 too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mirrored, "_mirrors", [])
    monkeypatch.chdir(tmp_path)
    write_synth(
        tmp_path / "data",
        level="video",
        train_files=3,
        validate_files=2,
        videos_per_file=60,
        classes=20,
        min_frames=20,
        max_frames=60,
        seed=0,
    )
    Path("grid.yaml").write_text(GRID.replace("CLUSTERS", "[2, 3]").replace("STEPS", "400"))
    store = ObjectStore(f"{s3.bucket}data")
    for path in (tmp_path / "data").iterdir():
        store.write(path.name, path.read_bytes())
    return tmp_path


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START, *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ
    )


def done(*words: str) -> str:
    """What a process of its own says."""
    process = started(*words)
    out, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, error
    assert "/cache/" not in out + error
    return out


def said(*words: str) -> Any:
    """The values that a command gives in this process, which has TensorFlow once."""
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert "/cache/" not in done.output
    return json.loads(done.stdout)


def wait_for(come: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + SECONDS
    while not come():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.2)


def digest(content: bytes | None) -> str:
    assert content is not None
    return hashlib.sha256(content).hexdigest()


def test_a_run_on_s3_that_was_killed_goes_on_without_this_machines_files_to_the_same_bits(place, s3):
    url = f"{s3.bucket}runs/tiny"
    words = ("run", "grid.yaml", "--data", f"{s3.bucket}data", "--storage", f"{s3.bucket}runs")
    bucket = ObjectStore(url)
    killed = started(*words)
    try:
        wait_for(lambda: bucket.read("lock.lease") is not None, killed)
        refused = CliRunner().invoke(app, [*words])
        assert refused.exit_code == 2
        assert "another process is running s3://bucket/runs/tiny (process" in refused.output
        wait_for(lambda: any(name.endswith("checkpoints/state.npz") for name in bucket.listed()), killed)
    finally:
        if killed.poll() is None:
            os.killpg(killed.pid, signal.SIGKILL)  # its workers are ended by whoever watches it
        killed.communicate()
    assert not any(name.endswith("record.json") for name in bucket.listed()), "killed in the midst of training"
    before = {name for name in bucket.listed() if "/attempt-" in name}
    mirrored._mirrors.clear()
    shutil.rmtree(place / "cache")

    told = json.loads(done(*words, "--json"))

    assert (told["run"], told["done"]) == (url, ["K2-H8", "K3-H8"])
    assert {name for name in bucket.listed() if "/attempt-" in name} > before, "a second attempt at what had begun"
    left = bucket.listed()
    assert not any("checkpoints/" in name or name in ("lock.lease", "stop") for name in left)
    done("run", "grid.yaml", "--concurrent", "1")  # one worker, which loads TensorFlow once
    for name in ("K2-H8", "K3-H8"):
        file = f"trials/{name}/weights.npz"
        assert digest(bucket.read(file)) == digest(Path("runs/tiny", file).read_bytes())
    scratch = list((place / "cache" / "gapsack" / "storage").rglob("checkpoints"))
    assert scratch == [], "what trials go on from is their workers', and gone with them"

    shutil.rmtree(place / "cache")
    chosen = said("select", "ensemble", url, "--budget-mb", "1")
    assert chosen["members"] == said("select", "ensemble", "tiny", "--budget-mb", "1")["members"]
    assert said("select", "build", url)["graph"] == f"{url}/graph"
    shutil.rmtree(place / "cache")
    assert said("select", "evaluate", url)["gap"] > 0
    assert said("report", url)["report"] == f"{url}/report.html"
    assert b"<html" in (bucket.read("report.html") or b"")[:1000].lower()
    [listed] = said("list", "--storage", f"{s3.bucket}runs")
    assert (listed["path"], listed["status"]) == (url, "done")

    # A phase that begins with these weights and learns from their graph, all of it by URLs.
    teacher = f"{s3.bucket}teacher"
    assert said("teach", url, f"{s3.bucket}data/*.tfrecord", "--out", teacher)["examples"] == 300
    more = f"{{start_from: {{run: '{url}'}}, teacher: {{predictions: '{teacher}'}}, steps: 30,"
    Path("phase.yaml").write_text(GRID.replace("CLUSTERS", "[2]").replace("{steps: STEPS,", more))
    shutil.rmtree(place / "cache")
    told = json.loads(done("run", "phase.yaml", "--name", "phase", *words[2:], "--json"))
    assert told["done"] == ["K2-H8"]
    phase = ObjectStore(f"{s3.bucket}runs/phase")
    record = json.loads(phase.read("trials/K2-H8/record.json") or b"")
    assert record["started_from"]["sha256"] == digest(bucket.read("trials/K2-H8/weights.npz"))
    assert (
        record["training"]["teacher"]["digest"]
        == json.loads(ObjectStore(teacher).read("teacher.json") or b"")["digest"]
    )
    [trial] = said("status", "phase", "--storage", f"{s3.bucket}runs")["trials"]
    assert trial["started_from"]["run"] == "tiny"
    for store in (bucket, phase):
        for name in store.listed():
            assert str(place / "cache").encode() not in (store.read(name) or b""), name

    said("delete", url, "--yes")
    assert bucket.listed() == {}
