"""Sweeps at a URL whose driver is killed, or whose bucket is away for longer than anybody waits; trials only count."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gapsack.sweep.storage.objects import PATIENCE_VARIABLE, ObjectStore

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

SCRIPT = Path(__file__).parents[1] / "sweep" / "fake_sweep.py"
SECONDS = 500


class FarSweep:
    """Starts fake sweeps of one run at a URL; what they say is in files."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self.run = folder, run
        self.started: list[subprocess.Popen[bytes]] = []
        folder.mkdir()

    def start(self, **behaviour: object) -> subprocess.Popen[bytes]:
        number = len(self.started)
        words = [sys.executable, str(SCRIPT), self.run, json.dumps(behaviour | {"notes": str(self.folder)})]
        with (self.folder / f"out{number}").open("wb") as out, (self.folder / f"said{number}").open("wb") as said:
            self.started.append(subprocess.Popen(words, stdout=out, stderr=said, start_new_session=True))
        return self.started[-1]

    def said(self) -> str:
        """By the newest."""
        return (self.folder / f"said{len(self.started) - 1}").read_text()

    def result(self) -> dict[str, object]:
        """Of the newest, once it has ended well."""
        assert self.started[-1].wait(SECONDS) == 0, self.said()
        found: dict[str, object] = json.loads((self.folder / f"out{len(self.started) - 1}").read_text())
        return found

    def attempts(self) -> list[tuple[str, int]]:
        """Trials that began, and at which step."""
        lines = (self.folder / "attempts").read_text().splitlines()
        return [(line.split()[0], int(line.split()[2])) for line in lines]

    def wait_for(self, come: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS
        while not come():
            assert self.started[-1].poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.1)

    def kill(self) -> None:
        """The driver; whoever watches it ends the rest."""
        os.killpg(self.started[-1].pid, signal.SIGKILL)
        self.started[-1].wait()

    def end(self) -> None:
        """What still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def far(tmp_path, monkeypatch, s3):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own, before ours
    sweep = FarSweep(tmp_path / "far", f"{s3.bucket}{tmp_path.name}/run")
    yield sweep
    s3.away = False
    sweep.end()


@pytest.mark.parametrize("kind", ["asha", "mo_asha"])
def test_a_driver_that_goes_on_elsewhere_stops_the_trials_that_one_in_a_folder_stops(far, tmp_path, kind):
    early = {
        "steps": 6,
        "gaps": {"K2-H8": 0.5, "K2-H16": 0.4, "K4-H8": 0.6, "K4-H16": 0.3},
        "search": {
            "grid": {"clusters": [2, 4], "hidden": [8, 16]},
            "scheduler": {"kind": kind, "grace_steps": 2, "reduction_factor": 2},
        },
        "training": {"steps": 6, "checkpoint_steps": 1},
        "resources": {"concurrent": 1},
    }
    bucket = ObjectStore(far.run)
    far.start(**early, seconds=0.3)
    far.wait_for(lambda: "progress K4-H8" in far.said())  # K2-H16 was stopped, and K4-H8 is on its way
    far.kill()
    before = {name: bucket.read(name) for name in bucket.listed() if name.endswith(("rungs.json", "stopped.json"))}
    assert {name.split("/")[1] for name in before if name.endswith("stopped.json")} == {"K2-H16"}
    shutil.rmtree(tmp_path / "cache")
    far.start(**early, seconds=0)
    result = far.result()
    here = FarSweep(tmp_path / "here", str(tmp_path / "here" / "run"))
    here.start(**early, seconds=0)
    assert result == here.result()
    after = [name for name in bucket.listed() if name.endswith("rungs.json")]
    assert len(after) == 4
    for name in after:
        assert json.loads(bucket.read(name) or b"") == json.loads((tmp_path / "here" / "run" / name).read_text())
    assert all(bucket.read(name) == content for name, content in before.items() if "K2-" in name)


def test_a_bucket_that_is_away_for_longer_than_patience_costs_no_retry_and_nothing_that_was_done(
    far, s3, tmp_path, monkeypatch
):
    monkeypatch.setenv(PATIENCE_VARIABLE, "2")
    two = {
        "steps": 10_000,
        "seconds": 0.3,
        "search": {"grid": {"clusters": [2, 4], "hidden": [8]}},
        "resources": {"concurrent": 2, "retries": 0},
    }
    bucket = ObjectStore(far.run, patience=60)
    far.start(**two)
    far.wait_for(lambda: all(f"progress {name} 2\n" in far.said() for name in ("K2-H8", "K4-H8")))
    s3.away = True
    far.wait_for(lambda: "the sweep waits until it does" in far.said())
    s3.away = False
    # The other one may have to wait for this one's end: it is trained with those that Tune gave up.
    far.wait_for(lambda: len(far.attempts()) > 2)
    name, first = far.attempts()[2]
    assert first >= 1, "from the checkpoint in the bucket"
    assert f": expected {far.run}/" in next(line for line in far.said().splitlines() if line.startswith("retried"))
    far.wait_for(lambda: f"progress {name} {first + 3}\n" in far.said())

    before = far.said()
    s3.away = True
    far.wait_for(lambda: f"retried {name}" in far.said()[len(before) :])
    far.started[-1].terminate()
    code, said = far.started[-1].wait(SECONDS), far.said()
    s3.away = False
    assert code != 0
    assert f"StorageAwayError: expected {far.run}/" in said.splitlines()[-1], "its last words"
    assert not any(str(tmp_path / "cache") in line for line in said.splitlines() if line.startswith("retried"))
    assert not any(found.endswith("record.json") for found in bucket.listed())

    began = len(far.attempts())
    far.start(**two | {"steps": 1, "seconds": 0})
    assert far.result()["done"] == ["K2-H8", "K4-H8"]
    after = dict(far.attempts()[began:])
    assert after.keys() == {"K2-H8", "K4-H8"}
    assert min(after.values()) >= 1, "nothing that was sent is trained again"
    assert after[name] >= first + 2
