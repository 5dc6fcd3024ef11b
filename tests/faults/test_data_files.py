"""Damaged data files: what is refused before the first trial, what while a trial reads, and what is told.

The tables: a damage, the kind of file that has it, and what must happen.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapsack.models.tasks import View
from gapsack.selection.errors import InputError
from gapsack.selection.pool import Labels, write_labels
from gapsack.sweep.data.faults import Faults, told
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import evaluation_batches, training_batches
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import OVERHEAD_BYTES, frame_record
from gapsack.sweep.data.videos import Videos
from gapsack.sweep.errors import ConfigError, DataError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.measure.holdout import HoldoutSet
from gapsack.sweep.runs.data_check import DataCheck
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec
from gapsack.sweep.trial import run as trial_run
from gapsack.sweep.trial.control import Control
from gapsack.sweep.trial.watch import DataWatch

CLASSES, RGB, AUDIO = 6, 5, 3
FEATURES = Features("frame", classes=CLASSES, rgb=RGB, audio=AUDIO, max_frames=7)
RECORDS = 40  # of a file
TRAIN, HELD_OUT = 8, 2
DEFAULT_SHARE = 0.001


def record(name: str, number: int, labels: tuple[int, ...] | None = None) -> bytes:
    frames = np.full((1 + number % 5, RGB + AUDIO), number % 256, np.uint8)
    labels = (number % CLASSES,) if labels is None else labels
    return frame_record(encode.sequence_example(f"{name}-{number}", labels, frames[:, :RGB], frames[:, RGB:]))


def content(name: str, count: int = RECORDS, **options: Any) -> bytes:
    return b"".join(record(name, number, **options) for number in range(count))


class Data:
    """A data set, the grid that reads it, and the folder of a run on it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.train = self._write("train", TRAIN)
        self.holdout = self._write("held", HELD_OUT)
        self.grid = Grid.model_validate(
            {
                "name": "faults",
                "data": {"level": "frame", "validate": ["*"], "classes": CLASSES, "rgb": RGB, "audio": AUDIO}
                | settings,
                "model": {"family": "dbof"},
                "search": {"points": [{"clusters": 4, "hidden": 4}]},
            }
        )
        self.run = RunFolder(folder / "run")
        self.run.path.mkdir(exist_ok=True)

    def _write(self, kind: str, count: int) -> list[Path]:
        paths = [self.folder / f"{kind}{number}.tfrecord" for number in range(count)]
        for path in paths:
            path.write_bytes(content(path.stem))
        return paths

    @property
    def spec(self) -> TrialSpec:
        sweep = SweepSpec(str(self.run.path), self.grid, self.names(self.train), self.names(self.holdout))
        return sweep.trial({"clusters": 4, "hidden": 4})

    @staticmethod
    def names(paths: list[Path]) -> tuple[str, ...]:
        return tuple(map(str, paths))

    def start(self) -> tuple[str, ...]:
        """What `sweep run` does before its first trial."""
        return DataCheck(self.grid.data, self.names(self.train), self.names(self.holdout)).run(self.run)

    def read_epoch(self) -> dict[str, Any]:
        """What training reads; the summary of its faults."""
        faults = Faults(self.grid.data.max_bad_share)
        options = {"batch_size": 8, "sample_frames": 4, "seed": 3, "faults": faults, "buffer_bytes": 4000}
        with training_batches(self.names(self.train), FEATURES, **options) as batches:
            while next(batches).resume["start"]["epoch"] == 0:
                pass
        return faults.summary()

    def measure(self, watch: DataWatch | None = None) -> dict[str, Any]:
        """What an evaluation reads; the summary of its faults."""
        data = self.grid.data
        holdout = HoldoutSet(self.names(self.holdout), Videos(FEATURES), 8, View(4), data.max_bad_share)
        allowed = data.holdout.allow_damaged
        return replace(holdout, allow_damaged=allowed, watch=watch).measure(First()).faults


class First:
    """Predicts the first classes."""

    def predict_top(self, inputs: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        count = len(inputs["num_frames"])
        scores = np.linspace(1, 0.5, k, dtype=np.float32)
        return np.tile(np.arange(k, dtype=np.int32), (count, 1)), np.tile(scores, (count, 1))


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def flip(place: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :]


def start_of(number: int, whole: bytes) -> int:
    """Where a record begins in a file's bytes."""
    at = 0
    for _ in range(number):
        at += int.from_bytes(whole[at : at + 8], "little") + OVERHEAD_BYTES
    return at


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "first length CRC": flip(9),
    "middle length CRC": lambda whole: flip(start_of(20, whole) + 9)(whole),
    "data CRC": flip(40),
    "cut": lambda whole: whole[:-15],
    "cut in two": lambda whole: whole[: start_of(20, whole) + 30],
    "gz": gzip.compress,
    "text": lambda _: b"<html><body>404 Not Found</body></html>\n" * 20,
    "empty": lambda _: b"",
}


def damage(paths: list[Path], kind: str) -> None:
    for path in paths:
        path.write_bytes(DAMAGES[kind](path.read_bytes()))


AT_START = [
    # damage, files that have it, share that is tolerated: the sentence that refuses, or that tells
    (
        "first length CRC",
        "half of training",
        DEFAULT_SHARE,
        "refuses",
        r"about 2\d\d faulty \(4 length CRC; .* about 2\d\d records",
    ),
    ("gz", "half of training", DEFAULT_SHARE, "refuses", r"got a gzip file \(unpack it\) \(no TFRecord file\)"),
    ("text", "half of training", DEFAULT_SHARE, "refuses", r"expected TFRecords, got text \('<html><body>404"),
    ("gz", "one of training", 0.2, "tells", r"training files train0.tfrecord gives nothing: .* gzip"),
    ("empty", "half of training", DEFAULT_SHARE, "tells", r"train3.tfrecord gives nothing: the file has no bytes"),
    ("data CRC", "half of training", 0.2, "is silent", ""),  # other records of these files are good
    ("first length CRC", "held out", 1.0, "refuses", r"must be whole, .* got 1 not whole \(held0.tfrecord: .*length"),
    ("middle length CRC", "held out", 1.0, "refuses", r"got 1 not whole \(held0.tfrecord: .*\(length CRC\)"),
    ("cut", "held out", 1.0, "refuses", r"held0.tfrecord: the file ends after .*allow_damaged: \[held0.tfrecord\]"),
    ("cut in two", "held out", 1.0, "refuses", r"held0.tfrecord: the file ends after"),
    ("gz", "held out", 1.0, "refuses", r"held0.tfrecord: expected TFRecords, got a gzip file"),
    ("text", "held out", 1.0, "refuses", r"held0.tfrecord: expected TFRecords, got text"),
    ("empty", "held out", 1.0, "refuses", r"held0.tfrecord: the file has no bytes"),
    ("data CRC", "held out", DEFAULT_SHARE, "refuses", r"got 1 faulty \(1 data CRC\) of [48]0"),
    ("data CRC", "held out", 0.1, "is silent", ""),
    ("gz", "held out and allowed", DEFAULT_SHARE, "tells", r"held-out files held0.tfrecord gives nothing"),
    ("empty", "held out and allowed", DEFAULT_SHARE, "tells", r"held-out files held0.tfrecord gives nothing"),
    ("cut in two", "held out and allowed", DEFAULT_SHARE, "is silent", ""),  # the trial's record tells
]


def damaged_data(folder: Path, kind: str, which: str, share: float) -> Data:
    allowed = {"holdout": {"allow_damaged": ["held0.tfrecord"]}} if "allowed" in which else {}
    data = Data(folder, max_bad_share=share, **allowed)
    paths = {"half of training": data.train[:4], "one of training": data.train[:1]}.get(which, data.holdout[:1])
    damage(paths, kind)
    return data


@pytest.mark.parametrize("case", AT_START, ids=lambda case: ", ".join(map(str, case[:4])))
def test_before_the_first_trial(tmp_path: Path, case: tuple[str, str, float, str, str]) -> None:
    kind, which, share, outcome, sentence = case
    data = damaged_data(tmp_path, kind, which, share)
    if outcome == "refuses":
        with pytest.raises(DataError, match=sentence):
            data.start()
        return
    notices = data.start()
    if outcome == "tells":
        assert any(re.search(sentence, each) for each in notices), notices
    else:
        assert notices == ()


WHILE_READING = [
    (
        "middle length CRC",
        "half of training",
        DEFAULT_SHARE,
        r"about \d+ faulty \(\d length CRC; .* records, cannot be read",
    ),
    ("data CRC", "half of training", DEFAULT_SHARE, r"got [1-4] faulty"),
    ("middle length CRC", "one of training", 0.2, {"faulty": {"length CRC": 1}, "lost_records": 20}),
    ("cut", "one of training", 0.2, {"faulty": {"truncated": 1}, "lost_records": 1}),
    ("empty", "one of training", DEFAULT_SHARE, {"faulty": {}, "damaged_files": ["train0.tfrecord"]}),
    ("data CRC", "one of training", 0.2, {"faulty": {"data CRC": 1}, "damaged_files": []}),
    ("middle length CRC", "held out", 1.0, r"got 1 not whole \(held0.tfrecord"),
    ("cut", "held out", 1.0, r"got 1 not whole \(held0.tfrecord"),
    ("empty", "held out", 1.0, r"got 1 not whole \(held0.tfrecord"),
    ("cut in two", "held out and allowed", DEFAULT_SHARE, {"faulty": {}, "damaged_files": ["held0.tfrecord"]}),
    ("data CRC", "held out and allowed", DEFAULT_SHARE, r"got 1 faulty \(1 data CRC\)"),  # only its end is allowed
]


@pytest.mark.parametrize("case", WHILE_READING, ids=lambda case: ", ".join(map(str, case[:3])))
def test_while_a_trial_reads(tmp_path: Path, case: tuple[str, str, float, str | dict[str, Any]]) -> None:
    kind, which, share, outcome = case
    data = damaged_data(tmp_path, kind, which, share)
    read = data.measure if "held out" in which else data.read_epoch
    if isinstance(outcome, str):
        with pytest.raises(DataError, match=outcome):
            read()
        return
    found = read()
    sentence = told(found)
    assert sentence is not None
    for key, value in outcome.items():
        got = list(found[key]) if key == "damaged_files" else found[key]
        assert got == (pytest.approx(value, abs=3) if key == "lost_records" else value)
        if key == "damaged_files":
            assert all(name in sentence for name in value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_the_verdict_does_not_depend_on_the_order_of_files(
    tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    """At any share: of 3 damaged files, all or none."""
    data = Data(tmp_path_factory.mktemp("order"), max_bad_share=draw.draw(st.sampled_from([0.001, 0.05, 0.1, 0.3])))
    for path, kind in zip(data.train, draw.draw(st.lists(st.sampled_from(list(DAMAGES)), max_size=3)), strict=False):
        damage([path], kind)
    verdicts = set()
    for _ in range(3):
        paths = draw.draw(st.permutations(data.names(data.train)))
        faults = Faults(data.grid.data.max_bad_share)
        try:
            list(evaluation_batches(paths, FEATURES, batch_size=8, sample_frames=4, faults=faults))
            verdicts.add(faults.share)
        except DataError as error:
            verdicts.add(str(error).split(",")[0])
    assert len(verdicts) == 1


CHANGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size - 7),
    "other contents of the same size": lambda path: path.write_bytes(flip(40)(path.read_bytes())),
    "replaced by a smaller file": lambda path: path.write_bytes(content("new", 20)),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("which", ["train", "holdout"])
@pytest.mark.parametrize("change", CHANGES)
def test_files_that_change_while_a_sweep_runs_are_named(data: Data, change: str, which: str) -> None:
    data.start()
    watch = DataWatch(data.spec)
    watch.evaluating()
    path = getattr(data, which)[1]
    before = path.stat()
    CHANGES[change](path)
    if path.exists():
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    sentence = f"must be readable.*{path.name}" if change == "gone" else f"{path.name} has changed since"
    for look in (watch.evaluating, watch.ending, lambda: DataWatch(data.spec)):
        with pytest.raises(DataError, match=sentence):
            look()


def test_a_file_that_was_only_touched_or_copied_anew_is_the_same(data: Data) -> None:
    data.start()
    watch = DataWatch(data.spec)
    os.utime(data.train[0], ns=(0, 1))
    copied = data.folder / "copy"
    copied.write_bytes(data.holdout[0].read_bytes())
    copied.replace(data.holdout[0])
    watch.evaluating()
    watch.ending()
    DataWatch(data.spec)


def test_a_run_of_an_earlier_version_is_watched_from_the_trials_beginning(data: Data) -> None:
    watch = DataWatch(data.spec)  # no stamps.json, no checksums.txt
    watch.ending()
    os.utime(data.train[0], ns=(0, 1))
    with pytest.raises(DataError, match="has changed since"):
        watch.ending()


def test_a_held_out_file_that_is_replaced_gives_no_score(data: Data) -> None:
    """The case of the report: a GAP on 20 of 65 videos, as if nothing were."""
    data.start()
    watch = DataWatch(data.spec)
    data.measure(watch)
    data.holdout[0].write_bytes(content("held0", 11))
    with pytest.raises(DataError, match=r"held0\.tfrecord has changed since"):
        data.measure(watch)


def test_other_videos_than_those_of_the_pool_are_refused(data: Data) -> None:
    ids = np.array([f"held{file}-{number}" for file in range(HELD_OUT) for number in range(RECORDS)])
    dense = np.eye(CLASSES, dtype=bool)[np.arange(len(ids)) % CLASSES]
    write_labels(data.run.pool, Labels.from_dense(ids[::-1], dense))
    data.start()
    data.measure(DataWatch(data.spec))  # in another order: the same
    write_labels(data.run.pool, Labels.from_dense(ids[5:], dense[5:]))
    sentence = (
        r"those of .*labels\.npz \(75\), got 80, with videos 'held0-0'.* besides: the held-out files have changed"
    )
    for begin in (data.start, lambda: data.measure(DataWatch(data.spec))):
        with pytest.raises(DataError, match=sentence):
            begin()


CUT_WHILE_READ = """
import os, sys
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data import reader
path, level, size_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3])
features = Features("frame", classes=6, rgb=5, audio=3, max_frames=7)
options = {"batch_size": 8, "sample_frames": 4, "faults": Faults(1.0)}
make = reader.training_batches if level == "training" else reader.evaluation_batches
reader.EVALUATION_BUFFER_BYTES = 1 << 20  # a quarter of the file
if level == "training":
    options |= {"seed": 1, "buffer_bytes": 1 << 20}
with make([path], features, **options) as batches:
    next(batches)
    os.truncate(path, size_bytes)
    try:
        for _ in range(100_000):
            next(batches)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.parametrize(("way", "size_bytes"), [("training", 0), ("evaluation", 40_000)])
def test_a_file_that_is_cut_while_it_is_read_is_a_sentence_not_the_process_end(
    tmp_path: Path, way: str, size_bytes: int
) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(content("a", 30_000))
    command = [sys.executable, "-c", CUT_WHILE_READ, str(path), way, str(size_bytes)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert re.match(r"DataError: Data files must stay as they are while they are read.*a\.tfrecord", found.stdout)


def test_held_out_files_without_any_label_are_refused(data: Data) -> None:
    for path in data.holdout:
        path.write_bytes(content(path.stem, labels=()))
    for begin in (data.start, lambda: data.measure(DataWatch(data.spec))):
        with pytest.raises(DataError, match="expected held-out videos with labels, got none"):
            begin()


def test_a_training_file_with_a_held_out_files_content_is_refused(data: Data) -> None:
    data.train[3].write_bytes(data.holdout[1].read_bytes())
    with pytest.raises(DataError, match=r"1 have the same bytes as one: .*train3\.tfrecord is .*held1\.tfrecord"):
        data.start()


def test_a_held_out_video_that_comes_twice_is_refused_before_training(data: Data) -> None:
    data.holdout[1].write_bytes(content("held0", 7))
    with pytest.raises(DataError, match=r"expected every held-out video once, got videos 'held0-0'"):
        data.start()


def test_large_hold_outs_are_looked_at_no_more_than_training_files(data: Data) -> None:
    damage(data.holdout[:1], "cut")
    check = DataCheck(data.grid.data, data.names(data.train), data.names(data.holdout), read_whole_bytes=0)
    assert check.run(data.run) == ()
    with pytest.raises(DataError, match="must be whole"):
        data.measure()


def test_what_is_allowed_changes_neither_fingerprint_nor_grid(tmp_path: Path) -> None:
    plain, allowed = Data(tmp_path), Data(tmp_path, holdout={"allow_damaged": ["held0.tfrecord"]})
    assert plain.spec.fingerprint() == allowed.spec.fingerprint()


def test_files_that_changed_between_two_starts_are_refused(data: Data) -> None:
    data.start()
    data.train[2].write_bytes(content("new"))
    with pytest.raises(InputError, match=r"changed since, such as train2\.tfrecord"):
        data.start()


def test_only_held_out_files_can_be_allowed(tmp_path: Path) -> None:
    data = Data(tmp_path, holdout={"allow_damaged": ["held0.tfrecord", "train0.tfrecord"]})
    with pytest.raises(ConfigError, match=r"name held-out files, got train0\.tfrecord \(held out are held0"):
        data.start()


def test_a_trial_whose_files_have_changed_does_not_begin(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    data.start()
    monkeypatch.setattr(trial_run, "new_trainer", lambda _: SimpleNamespace(close=lambda: None))
    CHANGES["cut"](data.train[4])
    with pytest.raises(DataError, match=r"train4\.tfrecord has changed since"):
        trial_run.run_trial(data.spec, Control(lambda _: None, lambda: False))
    assert not data.spec.folder.record.exists()
