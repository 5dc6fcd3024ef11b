"""What every task must do, run over all that are registered: those in `models/tasks/` and entry points.

For a task of another project, import `TaskContract` from this file (it stands alone, beside no conftest), and give it
small ones:

    class TestMyTask(TaskContract):
        @pytest.fixture(scope="class")
        @classmethod
        def task(cls) -> Task:
            return MyTask(classes=5)
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from gapsack.models import tasks
from gapsack.models.tasks import Input, Task, View, task_from_dict
from gapsack.models.tasks.dense import DenseTask
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

COUNT = 6
VIEWS = (View(7), View(50), View(7, whole=True), View(50, whole=True))

Arrays = dict[str, NDArray[Any]]


def examples(task: Task, count: int = COUNT, seed: int = 3) -> Arrays:
    return task.example_inputs(np.random.default_rng(seed), count)


def labels(task: Task) -> NDArray[np.bool_]:
    rng = np.random.default_rng(4)
    if task.labels == "multi_class":
        return np.eye(task.classes, dtype=bool)[rng.integers(0, task.classes, COUNT)]
    return rng.random((COUNT, task.classes)) < 0.5


def check_fits(arrays: Arrays, announced: tuple[Input, ...], count: int = COUNT) -> None:
    """Names, types and shapes; None fits any size."""
    assert list(arrays) == [given.name for given in announced]
    for given in announced:
        array = arrays[given.name]
        assert array.dtype.name == given.dtype, given.name
        assert array.ndim == len(given.shape) + 1 and len(array) == count, given.name
        sizes = zip(array.shape[1:], given.shape, strict=True)
        assert all(found == size for found, size in sizes if size is not None), given.name


def loss_again(task: Task, probabilities: NDArray[Any], truth: NDArray[np.bool_], smoothing: float) -> float:
    """The formula in float64: a sum over classes, a mean over examples."""
    p = probabilities.astype(np.float64)
    if task.labels == "multi_class":
        y = truth * (1 - smoothing) + smoothing / task.classes
        return float(-(y * np.log(p + 1e-5)).sum(axis=1).mean())
    y = truth * (1 - smoothing) + smoothing / 2
    return float(-(y * np.log(p + 1e-5) + (1 - y) * np.log(1 - p + 1e-5)).sum(axis=1).mean())


class TaskContract:
    """The suite; a subclass has a fixture `task`, of the scope "class". Tasks with a loss of their own say its formula
    in `loss_again`."""

    loss_again = staticmethod(loss_again)

    def test_it_is_known_by_its_name(self, task: Task) -> None:
        assert task.name in tasks.names()
        assert tasks.task(task.name) is type(task)

    def test_it_comes_back_from_json(self, task: Task) -> None:
        written = json.dumps(task.to_dict())
        again = task_from_dict(json.loads(written))
        assert again == task
        assert hash(again) == hash(task)
        assert json.dumps(again.to_dict()) == written
        assert task.to_dict()["name"] == task.name

    def test_other_classes_are_another_task(self, task: Task) -> None:
        if task.labels == "binary":
            pytest.skip("a question of yes or no has one class")
        assert task_from_dict({**task.to_dict(), "classes": task.classes + 1}) != task

    def test_values_of_no_task_are_refused(self, task: Task) -> None:
        for wrong in ({"name": task.name, "no_such_thing": 1}, {**task.to_dict(), "name": "no_such_task"}, {}):
            with pytest.raises(InputError):
                task_from_dict(wrong)
        with pytest.raises(InputError):
            task_from_dict({**task.to_dict(), "classes": 0})

    def test_dimensions_tell_classes_and_task_as_json(self, task: Task) -> None:
        assert task.dimensions["classes"] == task.classes
        assert json.loads(json.dumps(task.dimensions)) == task.dimensions
        assert task_from_dict(task.dimensions["task"]) == task

    def test_example_inputs_are_those_announced(self, task: Task) -> None:
        for count in (1, COUNT):
            check_fits(examples(task, count), task.inputs, count)
        for name, array in examples(task).items():
            assert_array_equal(array, examples(task)[name], err_msg="the generator alone decides")
        assert any(not np.array_equal(array, examples(task, seed=5)[name]) for name, array in examples(task).items())

    def test_collections_name_each_input_once(self, task: Task) -> None:
        assert set(task.collections) == {given.name for given in task.inputs}
        assert len(set(task.collections.values())) == len(task.collections)

    def test_features_are_float32_and_finite(self, task: Task) -> None:
        for view in VIEWS:
            seen = graph_seen(task, examples(task), view)
            found = {name: np.asarray(values) for name, values in task.features(seen).items()}
            assert list(found) == [given.name for given in task.model_inputs(view)]
            for given in task.model_inputs(view):
                floats = given.shape or given.dtype.startswith("float")
                assert found[given.name].dtype.name == ("float32" if floats else given.dtype)
                assert np.isfinite(found[given.name]).all()

    def test_features_are_zero_beyond_the_end(self, task: Task) -> None:
        given = examples(task)
        if "num_frames" not in given:
            pytest.skip("its examples have no end")
        rng = np.random.default_rng(8)
        beyond = np.arange(given["frames"].shape[1]) >= given["num_frames"][:, np.newaxis]
        noise = rng.integers(1, 255, given["frames"].shape).astype(given["frames"].dtype)
        noisy = {**given, "frames": np.where(beyond[..., np.newaxis], noise, given["frames"])}
        found, expected = (np.asarray(task.features(inputs)["frames"]) for inputs in (noisy, given))
        assert not found[beyond].any()
        assert found[~beyond].any()
        assert_array_equal(found, expected)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_the_loss_is_its_formula(self, task: Task, smoothing: float) -> None:
        probabilities = np.random.default_rng(7).random((COUNT, task.classes)).astype(np.float32)
        if task.labels == "multi_class":
            probabilities /= probabilities.sum(axis=1, keepdims=True)
        truth = labels(task)
        found = np.asarray(task.loss(probabilities, truth, smoothing))
        assert found.shape == ()
        assert_allclose(found, self.loss_again(task, probabilities, truth, smoothing), rtol=1e-5)

    def test_the_loss_is_lowest_for_what_is_true(self, task: Task) -> None:
        truth = labels(task)
        right = truth.astype(np.float32)
        unsure = np.full_like(right, 1 / max(2, task.classes))
        wrong = np.roll(right, 1, axis=1) if task.labels == "multi_class" else 1 - right
        losses = [float(np.asarray(task.loss(given, truth, 0.0))) for given in (right, unsure, wrong)]
        assert losses[0] < losses[1] < losses[2]
        assert np.isfinite(losses).all()
        assert losses[0] == pytest.approx(0, abs=1e-3)

    @pytest.mark.parametrize("view", VIEWS, ids=str)
    def test_members_see_what_models_take(self, task: Task, view: View) -> None:
        check_fits(graph_seen(task, examples(task), view), task.model_inputs(view))

    def test_what_is_seen_of_one_example_is_its_own(self, task: Task) -> None:
        given = examples(task)
        for view in VIEWS:
            together = graph_seen(task, given, view)
            for row in range(COUNT):
                alone = graph_seen(task, {name: array[row : row + 1] for name, array in given.items()}, view)
                for name, values in together.items():
                    assert_array_equal(alone[name][0], values[row], err_msg=name)

    @pytest.mark.parametrize("as_features", [False, True])
    def test_the_graph_announces_its_inputs(self, task: Task, as_features: bool) -> None:
        import tensorflow as tf

        with tf.Graph().as_default():
            received = task.receive(as_features=as_features)
        assert set(received.inputs) == {given.name for given in task.inputs}
        for given in task.inputs:
            tensor = received.inputs[given.name]
            floats = as_features and given.shape
            assert tensor.dtype.name == ("float32" if floats else given.dtype)
            assert len(tensor.shape) == len(given.shape) + 1
            assert tensor.shape[0] is None
        assert received.serialized is None or not as_features
        assert received.serialized is None or received.serialized.dtype == tf.string


def graph_seen(task: Task, given: Arrays, view: View) -> Arrays:
    """What a member sees, in the graph, of fed inputs."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        received = task.receive()
        seen = task.seen(received.inputs, view)
        found = session.run(seen, {received.inputs[name]: array for name, array in given.items()})
    return {input.name: found[input.name] for input in task.model_inputs(view)}


CASES: dict[str, Task] = {
    "frames": YouTube8M("frame", classes=9, rgb=8, audio=4),
    "few frames": YouTube8M("frame", classes=9, rgb=8, audio=0, max_frames=5),
    "videos": YouTube8M("video", classes=9, rgb=8, audio=4),
    "multi_class": DenseTask((("image", (4, 5)), ("speed", (3,))), classes=6),
    "multi_label": DenseTask((("x", (7,)),), classes=4, labels="multi_label"),
    "binary": DenseTask((("x", (7,)),), classes=1, labels="binary"),
}


class TestEveryTask(TaskContract):
    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def task(cls, request: pytest.FixtureRequest) -> Task:
        return CASES[request.param]


def test_every_registered_task_is_asked() -> None:
    assert {task.name for task in CASES.values()} == set(tasks.names())
