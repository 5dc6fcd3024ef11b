"""A pass of a teacher over real files in the format of the challenge; the graph is played by a function."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from gapsack.models.graph.output import GraphOutput
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.training.teaching import TARGETS
from gapsack.selection.errors import InputError
from gapsack.sweep.data.dataset import dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.schema import Grid, Teacher
from gapsack.sweep.storage import mirrored
from gapsack.sweep.storage.objects import ObjectStore
from gapsack.sweep.teaching.teach import Lesson
from gapsack.sweep.teaching.teacher_folder import TeacherFolder
from gapsack.sweep.teaching.teachers import GraphTeacher
from gapsack.sweep.teaching.tutor import Tutor, with_digest

CLASSES = 24


class Sums:
    """Says of a video what its bytes sum up to, class by class."""

    inputs = ("frames", "num_frames")

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, inputs):
        self.calls += 1
        sums = inputs["frames"].astype(np.int64).sum(axis=(1, 2))
        probabilities = ((sums[:, np.newaxis] * np.arange(3, 3 + CLASSES)) % 97 / 97).astype(np.float32)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :20].astype(np.int32)
        return GraphOutput(probabilities, order, np.take_along_axis(probabilities, order, axis=1))


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "weights").write_bytes(b"weights")
    return tmp_path / "graph"


@pytest.fixture
def lesson(graph, small_files, tmp_path):
    def make(files=small_files["train"], out="teacher", **options):
        dataset = dataset_of(YouTube8M("frame", CLASSES, 16, 8, 8).to_dict())
        teacher = GraphTeacher(graph, options.pop("load", lambda _: Sums()))
        return Lesson(
            teacher, files, dataset, TeacherFolder(tmp_path / out), **{"top_k": 5, "batch_size": 9, **options}
        )

    return make


def nothing(_count):
    pass


def batches(lesson):
    with lesson.dataset.raw(lesson.files, batch_size=10, faults=Faults(0.0)) as found:
        return list(found)


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


def test_every_training_video_is_taught(lesson):
    given, asked = lesson(), []
    manifest = given.give(asked.append)
    assert manifest.examples == sum(asked) == 87
    assert [file.examples for file in manifest.files] == [50, 37]
    lists = given.folder.read()
    for batch in batches(given):
        expected = Sums().predict(batch.inputs).probabilities
        dense = lists.dense(batch.video_ids, CLASSES)
        best = np.argsort(-expected, axis=1, kind="stable")[:, :5]
        np.testing.assert_allclose(np.take_along_axis(dense, best, 1), np.take_along_axis(expected, best, 1), rtol=1e-3)
        np.testing.assert_allclose(dense.sum(axis=1), expected.sum(axis=1), rtol=2e-3)


def test_a_stopped_pass_goes_on_to_the_same_bytes(lesson):
    whole, stopped = lesson(out="whole"), lesson(out="stopped")
    whole.give(nothing)

    seen = []

    def stop(count):
        seen.append(count)
        if sum(seen) > 60:  # in the second file
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.give(stop)
    with pytest.raises(DataError, match=r"teacher.json: expected this JSON file; it is not there"):
        stopped.folder.manifest()
    again = []
    stopped.give(again.append)
    assert sum(again) == 37, "the first file was done"
    assert contents(whole.folder.path) == contents(stopped.folder.path)


def test_what_is_there_is_not_done_again(lesson):
    first = lesson().give(nothing)

    def load(_path):
        raise AssertionError

    assert lesson(load=load).give(nothing) == first


def test_other_teachers_are_refused(lesson, graph):
    lesson().give(nothing)
    (graph / "weights").write_bytes(b"others")
    with pytest.raises(InputError, match="expected a new folder, or one of this teacher's for the same files"):
        lesson().give(nothing)


def test_two_files_of_one_name_are_refused(lesson, small_files, tmp_path):
    twin = tmp_path / Path(small_files["train"][0]).name
    twin.write_bytes(b"")
    with pytest.raises(InputError, match="expected data files of different names"):
        lesson(files=(*small_files["train"], str(twin))).give(nothing)


def grid(folder, **teacher):
    return Grid.model_validate(
        {
            "name": "student",
            "data": {"level": "frame", "validate": ["*"], "classes": CLASSES},
            "model": {"family": "moe"},
            "search": {"points": [{}]},
            "training": {"teacher": {"predictions": str(folder), **teacher}},
        }
    )


def test_a_tutor_adds_what_the_teacher_said(lesson):
    given = lesson()
    manifest = given.give(nothing)
    batch = batches(given)[0]
    tutor = Tutor(Teacher(predictions=str(given.folder.path)), CLASSES)
    inputs, labels = tutor.taught(batch)
    assert inputs.keys() == {"frames", "num_frames", TARGETS}
    np.testing.assert_array_equal(inputs[TARGETS], given.folder.read().dense(batch.video_ids, CLASSES))
    assert labels is batch.labels
    assert manifest.digest == with_digest(grid(given.folder.path), []).training.teacher.digest


def test_examples_without_labels_have_the_teachers(lesson):
    given = lesson()
    given.give(nothing)
    batch = batches(given)[0]
    batch.labels[3] = False
    tutor = Tutor(Teacher(predictions=str(given.folder.path), unlabelled=True), CLASSES)
    inputs, labels = tutor.taught(batch)
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels[3], inputs[TARGETS][3])
    np.testing.assert_array_equal(labels[:3], batch.labels[:3])


def test_a_teacher_that_lacks_files_is_refused_before_training(lesson, small_files):
    given = lesson(files=small_files["train"][:1])
    given.give(nothing)
    with pytest.raises(
        DataError, match=r"a teacher that has seen all 2 training files, got .*, which lacks 1, such as"
    ):
        with_digest(grid(given.folder.path), small_files["train"])


def test_other_predictions_than_the_runs_are_refused(lesson):
    given = lesson()
    given.give(nothing)
    with pytest.raises(DataError, match="that this run began with, got others"):
        Tutor(Teacher(predictions=str(given.folder.path), digest="0" * 64), CLASSES)
    with pytest.raises(DataError, match="expected a teacher of 25 classes, got one of 24"):
        Tutor(Teacher(predictions=str(given.folder.path)), 25)


def test_a_teacher_at_a_url_is_that_of_its_folder(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mirrored, "_mirrors", [])
    given = lesson()
    given.give(nothing)
    store = ObjectStore("memory://bucket/teacher")
    with pytest.raises(DataError, match=r"teacher.json: expected this JSON file; it is not there"):
        Tutor(Teacher(predictions=store.address), CLASSES)
    for path in given.folder.path.iterdir():
        store.write(path.name, path.read_bytes())
    store.write("parts/lock.lease", b"of a pass that goes on")
    batch = batches(given)[0]
    there, here = (Tutor(Teacher(predictions=each), CLASSES) for each in (store.address, str(given.folder.path)))
    np.testing.assert_array_equal(there.taught(batch)[0][TARGETS], here.taught(batch)[0][TARGETS])
    assert with_digest(grid(store.address), []).training == grid(store.address).training.model_copy(
        update={"teacher": Teacher(predictions=store.address, digest=given.folder.manifest().digest)}
    )
    store.write("scores.npy", (store.read("scores.npy") or b"")[:-1] + b"x")
    with pytest.raises(DataError, match="expected the arrays that `sweep teach` wrote, got others"):
        Tutor(Teacher(predictions=store.address), CLASSES)
