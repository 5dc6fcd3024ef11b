"""What every model family must do, run over all that are registered: those in `models/families/` and entry points.

For a family of another project, import `FamilyCase` and `FamilyContract` from this file (it stands alone, beside no
conftest), and say of which small model the suite asks everything:

    class TestMyFamily(FamilyContract):
        @pytest.fixture(scope="class")
        @classmethod
        def case(cls) -> FamilyCase:
            return FamilyCase("my_family", YouTube8M("frame", classes=30, rgb=8, audio=4), {"hidden": 6})
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from gapsack.models import checkpoints, precisions, registry, sizes
from gapsack.models.family import Family
from gapsack.models.graph import Graph, Member, build_graph, reserve_bytes
from gapsack.models.recognition import recognise, with_options
from gapsack.models.tasks import Task, View
from gapsack.models.tasks.dense import DenseTask
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.tensors import Tensor, groups_of
from gapsack.models.training import Recipe, Trainer
from gapsack.selection.errors import InputError
from gapsack.sweep.grid.points import trial_name

BATCH_SIZE = 8
LETTERS = ("8", "4", "16", "b16", "32")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class FamilyCase:
    """A small model of a family.

    Attributes:
        name: Of the family.
        task: What the model is for.
        options: Hyperparameters, without those that the task decides.
        sample_frames: Frames that it sees of each example, where there are frames.
        initial_weights_agree: Whether a seed gives the same initial weights on every backend; not where the
            initialisers are those of Keras, which draw with the backend's own generator.
    """

    name: str
    task: Task
    options: Mapping[str, Any]
    sample_frames: int = 6
    initial_weights_agree: bool = True

    @property
    def family(self) -> Family:
        return registry.family(self.name)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return self.family.validate({**self.family.from_data(self.task.dimensions), **self.options})

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.family.tensors(self.hyperparameters)

    @property
    def view(self) -> View:
        return self.family.view(self.hyperparameters, self.sample_frames)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Every precision, and a mixed one with another letter for each group."""
        letters = [LETTERS[index % len(LETTERS)] for index in range(len(groups_of(self.tensors)) + 1)]
        return (*precisions.names(), "pruned75_float16", "pruned75_int8", precisions.mixed(letters))

    def build(self, seed: int = 0) -> Any:
        return registry.build(self.name, seed=seed, **self.hyperparameters)

    def weights(self, seed: int) -> Arrays:
        """Far from the initial ones, so that a tensor in the wrong place shows; statistics stay positive."""
        rng = np.random.default_rng(seed)
        return {
            tensor.name: rng.uniform(-1.0 if tensor.trainable else 0.5, 1.5, tensor.shape).astype(np.float32)
            for tensor in self.tensors
        }

    def examples(self, count: int = BATCH_SIZE) -> Arrays:
        """As the graph takes them in."""
        return self.task.example_inputs(np.random.default_rng(5), count)

    def seen(self, examples: Arrays, view: View | None = None) -> Arrays:
        """As a model takes them in."""
        import tensorflow as tf

        tensors = {name: tf.constant(array) for name, array in examples.items()}
        return {name: np.asarray(given) for name, given in self.task.seen(tensors, view or self.view).items()}

    def labels(self, count: int = BATCH_SIZE) -> NDArray[np.bool_]:
        rng = np.random.default_rng(6)
        if self.task.labels == "multi_class":
            return np.eye(self.task.classes, dtype=bool)[rng.integers(0, self.task.classes, count)]
        return rng.random((count, self.task.classes)) < 0.3

    def trainer(self, seed: int = 1) -> Trainer:
        recipe = Recipe(batch_size=BATCH_SIZE, learning_rate=0.01, batch_norm_decay=0.9, steps=100)
        return Trainer(self.build(seed), recipe, self.task.loss)


def predictions(model: Any, inputs: Arrays) -> NDArray[np.float32]:
    return np.asarray(model(inputs, training=False))


FoundOnJax = Callable[[FamilyCase], Arrays]
"""Gives a case's predictions on JAX, by the weights that they are of: "initial" and "loaded"."""


class FamilyContract:
    """The suite; a subclass has a fixture `case`, of the scope "class"."""

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, case: FamilyCase) -> Any:
        """With the weights of `case.weights(0)`, unless a test has loaded others."""
        model = case.build()
        checkpoints.load_reference_weights(model, case.weights(0))
        return model

    def test_what_it_recognises_are_its_own_tensors(self, case: FamilyCase) -> None:
        """Other families may have the same; hyperparameters that shapes do not decide are given."""
        if case.family.recognise is None:
            pytest.skip("a family without a reference implementation")
        below = f"{case.family.scope}/" if case.family.scope else ""
        shapes = {tensor.name.removeprefix(below): tensor.shape for tensor in case.tensors}
        model = recognise(shapes, where="here", families=[case.name])
        assert with_options(model, case.hyperparameters, where="here").hyperparameters == case.hyperparameters
        assert model.tensors == case.tensors
        assert not set(model.decided) & set(model.assumed)

    @pytest.fixture(scope="class")
    @classmethod
    def members(cls, case: FamilyCase, tmp_path_factory: pytest.TempPathFactory) -> list[Member]:
        """One for each codec, each with weights and a share of its own: the mixed precision has one for each group."""
        folder, made = tmp_path_factory.mktemp("members"), []
        for index, precision in enumerate(("float16", "int4", "pruned75_int8", case.precisions[-1])):
            file = folder / f"{precision}.npz"
            checkpoints.write_weights(file, case.weights(index))
            share = 0.5 + 0.1 * index
            made.append(Member(precision, case.name, case.hyperparameters, precision, share, file, case.sample_frames))
        return made

    # What it says of itself

    def test_it_is_known_by_its_name_and_does_its_task(self, case: FamilyCase) -> None:
        assert case.name in registry.families()
        assert case.family.name == case.name
        assert case.task.name in case.family.tasks

    def test_hyperparameters_are_whole_and_stay_as_they_are(self, case: FamilyCase) -> None:
        complete = case.hyperparameters
        assert case.family.validate(complete) == complete
        assert json.loads(json.dumps(complete)) == complete, "pools keep them as JSON"

    def test_all_wrong_hyperparameters_are_named_in_one_error(self, case: FamilyCase) -> None:
        complete = case.hyperparameters
        known = case.family.parameters(complete)
        required = [name for name, parameter in known.items() if parameter.default is None]
        optional = [name for name in known if name not in required]
        missing, wrong = required[-1], [*required[:-1], *optional][-1]
        given = {name: value for name, value in complete.items() if name != missing}
        with pytest.raises(InputError) as caught:
            case.family.validate({**given, wrong: [], "no_such_thing": 1})
        told = str(caught.value)
        assert case.name in told
        assert "'no_such_thing' is not one of its hyperparameters" in told
        assert f"{missing} is missing" in told
        assert re.search(rf"{wrong} must be .*, got \[\]", told)

    def test_names_of_trials_are_names_of_files(self, case: FamilyCase, tmp_path: Path) -> None:
        complete = case.hyperparameters
        letters = case.family.short_names
        assert set(letters) <= set(complete)
        assert len(set(letters.values())) == len(letters)
        varied = {name: complete[name] for name, given in case.family.parameters(complete).items() if given.varies}
        for axes in ({}, varied):
            name = trial_name(case.family, axes, complete)
            assert re.fullmatch(r"[A-Za-z0-9._+-]+", name)
            (tmp_path / f"{name}.npz").touch()

    def test_activations_are_counted(self, case: FamilyCase) -> None:
        assert case.family.activation_count(case.hyperparameters, case.view) > 0

    # Tensors and weights

    def test_the_tensors_are_the_built_models(self, case: FamilyCase) -> None:
        model = case.build()
        assert tuple(model.tensors) == case.tensors
        assert len({tensor.name for tensor in case.tensors}) == len(case.tensors)
        assert {name: tuple(variable.shape) for name, variable in model.tensor_variables.items()} == {
            tensor.name: tensor.shape for tensor in case.tensors
        }
        assert {name for name, variable in model.tensor_variables.items() if variable.trainable} == {
            tensor.name for tensor in case.tensors if tensor.trainable
        }
        assert all(tensor.name.startswith(case.family.scope) for tensor in case.tensors)
        assert all(tensor.is_matrix for tensor in case.tensors if tensor.large)

    def test_sizes_are_the_bytes_of_the_built_models_variables(self, case: FamilyCase) -> None:
        built = sum(np.asarray(variable).nbytes for variable in case.build().weights if variable.dtype == "float32")
        assert sizes.size_bytes(case.name, case.hyperparameters, "float32") == built

    def test_weights_go_in_and_out_by_name(self, case: FamilyCase, tmp_path: Path) -> None:
        weights, model = case.weights(3), case.build()
        checkpoints.load_reference_weights(model, weights)
        checkpoints.write_weights(tmp_path / "w.npz", checkpoints.reference_weights(model))
        found = checkpoints.read_weights(tmp_path / "w.npz")
        assert list(found) == [tensor.name for tensor in case.tensors]
        for name, values in weights.items():
            assert_array_equal(found[name], values)

    def test_every_weight_has_a_say(self, case: FamilyCase) -> None:
        """A tensor that changes no prediction would be bytes for nothing, or stand in the place of another."""
        model, inputs = case.build(), case.seen(case.examples())
        weights = case.weights(0)
        checkpoints.load_reference_weights(model, weights)
        before = predictions(model, inputs)
        for tensor in case.tensors:
            values = weights[tensor.name]
            changed = np.random.default_rng(1).uniform(0.5, 1.5, values.shape).astype(np.float32) * values
            model.tensor_variables[tensor.name].assign(changed)
            assert not np.array_equal(predictions(model, inputs), before), tensor.name
            model.tensor_variables[tensor.name].assign(values)

    def test_initial_weights_follow_from_the_seed_alone(self, case: FamilyCase) -> None:
        state = random.getstate()
        first = checkpoints.reference_weights(case.build(seed=4))
        assert random.getstate() == state
        other = checkpoints.reference_weights(case.build(seed=5))
        again = checkpoints.reference_weights(case.build(seed=4))
        for name, values in first.items():
            assert_array_equal(values, again[name], err_msg=name)
        drawn = {tensor.name for tensor in case.tensors if tensor.large}
        assert drawn and all(not np.array_equal(first[name], other[name]) for name in drawn)

    # Predictions

    def test_predictions_are_probabilities(self, case: FamilyCase, model: Any) -> None:
        found = predictions(model, case.seen(case.examples()))
        assert found.dtype == np.float32
        assert found.shape == (BATCH_SIZE, case.task.classes)
        assert 0 <= found.min() < found.max() <= 1
        assert not np.array_equal(found[0], found[-1]), "every example gets the same answer"

    def test_others_in_the_batch_change_nothing(self, case: FamilyCase, model: Any) -> None:
        inputs = case.seen(case.examples())
        together = predictions(model, inputs)
        for row in range(BATCH_SIZE):
            alone = predictions(model, {name: array[row : row + 1] for name, array in inputs.items()})
            assert_allclose(alone[0], together[row], rtol=0, atol=1e-6)

    def test_padding_changes_nothing(self, case: FamilyCase, model: Any) -> None:
        if not case.view.whole:
            pytest.skip("its models see sampled frames, without padding")
        examples = case.examples()
        longest = int(examples["num_frames"].max())
        exact, padded = (
            predictions(model, case.seen(examples, replace(case.view, sample_frames=longest + more))) for more in (0, 9)
        )
        assert_allclose(padded, exact, rtol=0, atol=1e-6)

    # Precisions and the graph

    def test_every_precision_takes_the_bytes_that_it_says(self, case: FamilyCase) -> None:
        weights = case.weights(0)
        for name in case.precisions:
            stored = precisions.precision(name, case.tensors)
            found = 0
            for tensor in case.tensors:
                found += sum(np.asarray(part).nbytes for part in stored.encode(tensor, weights[tensor.name]).values())
            assert found == sizes.size_bytes(case.name, case.hyperparameters, name), name

    def test_the_graph_predicts_the_blend_within_its_reserve(
        self, case: FamilyCase, members: list[Member], tmp_path: Path
    ) -> None:
        examples = case.examples()
        inputs, model, expected = case.seen(examples), case.build(), np.zeros((BATCH_SIZE, case.task.classes))
        for member in members:
            decoded = precisions.roundtrip(checkpoints.read_weights(member.weights), member.precision, case.tensors)
            checkpoints.load_reference_weights(model, decoded)
            expected += member.weight * predictions(model, inputs)
        info = build_graph(members, tmp_path / "graph", task=case.task)
        found = Graph(info.directory).predict(examples).probabilities
        assert_allclose(found, expected, rtol=0, atol=1e-6 * sum(member.weight for member in members))
        weights = sum(member.size_bytes for member in members)
        assert weights < info.size_bytes <= weights + reserve_bytes(members)

    # Training

    @pytest.fixture(scope="class")
    @classmethod
    def trainer(cls, case: FamilyCase) -> Iterator[Trainer]:
        """Each test goes on where the one before it ended: compiling is what takes the time."""
        trainer = case.trainer()
        yield trainer
        trainer.close()

    def test_steps_on_one_batch_lower_its_loss(self, case: FamilyCase, trainer: Trainer) -> None:
        batch = (case.seen(case.examples()), case.labels())
        losses = []
        for _ in range(8):
            trainer.train_step(*batch)
            losses.append(trainer.take_loss())
        assert losses[-1] < 0.97 * losses[0], losses

    def test_training_resumes_to_the_bit(self, case: FamilyCase, trainer: Trainer) -> None:
        batch = (case.seen(case.examples()), case.labels())
        for _ in range(2):
            trainer.train_step(*batch)
        saved = trainer.state()
        resumed = case.trainer(seed=9)
        resumed.load_state(saved)
        for each in (trainer, resumed):
            for _ in range(2):
                each.train_step(*batch)
        expected, found = trainer.state(), resumed.state()
        assert found.keys() == expected.keys()
        assert any(not np.array_equal(saved[name], expected[name]) for name in saved if name.startswith("weights/"))
        for name, values in expected.items():
            assert_array_equal(found[name], values, err_msg=name)
        assert_array_equal(resumed.predict(batch[0]), trainer.predict(batch[0]))

    # Backends

    @pytest.fixture(scope="class")
    @classmethod
    def found_on_jax(cls, tmp_path_factory: pytest.TempPathFactory) -> FoundOnJax:
        pytest.importorskip("jax")
        return lambda case: predicted_on_jax([case], tmp_path_factory.mktemp("jax"))[0]

    @pytest.mark.long
    def test_tensorflow_and_jax_agree(self, case: FamilyCase, found_on_jax: FoundOnJax) -> None:
        inputs, model = case.seen(case.examples()), case.build(seed=7)
        expected = {"initial": predictions(model, inputs)}
        checkpoints.load_reference_weights(model, case.weights(0))
        expected["loaded"] = predictions(model, inputs)
        for weights in ("initial", "loaded") if case.initial_weights_agree else ("loaded",):
            assert_allclose(found_on_jax(case)[weights], expected[weights], rtol=0, atol=1e-5, err_msg=weights)


ON_JAX = """
import json, sys
from pathlib import Path
import numpy as np
from gapsack.models import checkpoints, registry
for number, (family, hyperparameters) in enumerate(json.loads(Path(sys.argv[1], "cases.json").read_text())):
    model = registry.build(family, seed=7, **hyperparameters)
    initial = model(dict(np.load(Path(sys.argv[1], f"inputs{number}.npz"))), training=False)
    checkpoints.load_reference_weights(model, checkpoints.read_weights(Path(sys.argv[1], f"weights{number}.npz")))
    loaded = model(dict(np.load(Path(sys.argv[1], f"inputs{number}.npz"))), training=False)
    np.savez(Path(sys.argv[1], f"found{number}.npz"), initial=np.asarray(initial), loaded=np.asarray(loaded))
"""


def predicted_on_jax(cases: Sequence[FamilyCase], folder: Path) -> list[Arrays]:
    """Predictions of Keras on JAX, in one process of their own, with initial weights and with others."""
    (folder / "cases.json").write_text(json.dumps([[case.name, case.hyperparameters] for case in cases]))
    for number, case in enumerate(cases):
        np.savez(folder / f"inputs{number}.npz", allow_pickle=False, **case.seen(case.examples()))
        checkpoints.write_weights(folder / f"weights{number}.npz", case.weights(0))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", ON_JAX, str(folder)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"found{number}.npz")) for number in range(len(cases))]


BUILDERS = """
import keras
from keras import layers


def sampled(inputs, classes, hidden=12, rate=0.2, act="relu"):
    x = layers.GlobalAveragePooling1D()(inputs["frames"])
    x = layers.BatchNormalization()(layers.Dense(hidden, activation=act)(x))
    return layers.Dense(classes, activation="sigmoid")(layers.Dropout(rate)(x))


def whole(inputs, classes, hidden=12):
    count = keras.ops.expand_dims(keras.ops.cast(inputs["num_frames"], "float32"), -1)
    x = layers.Dense(hidden, activation="relu")(keras.ops.sum(inputs["frames"], axis=1) / count)
    return layers.Dense(classes, activation="sigmoid")(x)


def arrays(inputs, classes, hidden=12):
    x = layers.Concatenate()([layers.Flatten()(given) for given in inputs.values()])
    return layers.Dense(classes, activation="softmax")(layers.Dense(hidden, activation="relu")(x))
"""

VIDEOS = YouTube8M("frame", classes=30, rgb=8, audio=4)
CASES = {
    "gated_netvlad": FamilyCase("gated_netvlad", VIDEOS, {"clusters": 4, "hidden": 6, "mixtures": 2}),
    "dbof": FamilyCase("dbof", VIDEOS, {"clusters": 9, "hidden": 5}),
    "willow_netvlad": FamilyCase("willow_netvlad", VIDEOS, {"clusters": 4, "hidden": 6}),
    "willow_netvlad-all": FamilyCase(
        "willow_netvlad", VIDEOS, {"clusters": 4, "hidden": 6, "frames": "all", "relu": True, "gating": False}, 40
    ),
    "netrvlad": FamilyCase("netrvlad", VIDEOS, {"clusters": 5, "hidden": 6}),
    "netfv": FamilyCase("netfv", VIDEOS, {"clusters": 4, "hidden": 6}),
    "netfv-coupled": FamilyCase(
        "netfv", VIDEOS, {"clusters": 4, "hidden": 6, "coupled": True, "classifier": "logistic"}
    ),
    "soft_dbof": FamilyCase("soft_dbof", VIDEOS, {"clusters": 16, "hidden": 6, "maximum": True, "frames": "all"}, 40),
    "gated_dbof": FamilyCase("gated_dbof", VIDEOS, {"clusters": 16, "hidden": 6}),
    "nextvlad": FamilyCase(
        "nextvlad", VIDEOS, {"clusters": 4, "hidden": 6, "groups": 2, "reduction": 2, "unwhiten": False}, 40
    ),
    "mix_nextvlad": FamilyCase(
        "mix_nextvlad",
        VIDEOS,
        {"clusters": 4, "hidden": 6, "groups": 2, "reduction": 2, "unwhiten": False, "branches": 2, "places": 40},
        40,
    ),
    "lstm": FamilyCase("lstm", VIDEOS, {"cells": 5}, 40),
    "lstm_willow": FamilyCase("lstm_willow", VIDEOS, {"cells": 5}),
    "gru": FamilyCase("gru", VIDEOS, {"cells": 5}, 40),
    "lstm_bidirect": FamilyCase("lstm_bidirect", VIDEOS, {"cells": 6}, 40),
    "gru_bidirect": FamilyCase("gru_bidirect", VIDEOS, {"cells": 6}, 40),
    "logistic": FamilyCase("logistic", VIDEOS, {}, 40),
    "frame_level_logistic": FamilyCase("frame_level_logistic", VIDEOS, {}, 40),
    "moe": FamilyCase("moe", VIDEOS, {"probability_gating": True}, 40),
    "keras_model": FamilyCase("keras_model", VIDEOS, {"builder": "builders.py:sampled"}, initial_weights_agree=False),
    "keras_model-whole": FamilyCase(
        "keras_model", VIDEOS, {"builder": "builders.py:whole", "frames": "all"}, 40, initial_weights_agree=False
    ),
    "keras_model-dense": FamilyCase(
        "keras_model",
        DenseTask((("image", (4, 5)), ("speed", (3,))), classes=6),
        {"builder": "builders.py:arrays"},
        initial_weights_agree=False,
    ),
}


QUICK = ("gated_netvlad", "nextvlad", "gru", "moe", "keras_model", "keras_model-dense")
"""One of each kind of network; the others are asked by `make test-long`."""


class TestEveryFamily(FamilyContract):
    @pytest.fixture(scope="module")
    @classmethod
    def cases(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FamilyCase]:
        """All of them, with their files where they are."""
        folder = tmp_path_factory.mktemp("grid")
        (folder / "builders.py").write_text(BUILDERS)
        placed = {}
        for name, case in CASES.items():
            located = case.family.located
            placed[name] = case if located is None else replace(case, options=located(case.options, folder))
        return placed

    @pytest.fixture(
        scope="class", params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in CASES]
    )
    @classmethod
    def case(cls, request: pytest.FixtureRequest, cases: dict[str, FamilyCase]) -> FamilyCase:
        return cases[request.param]

    @pytest.fixture(scope="module")
    @classmethod
    def found_on_jax(cls, cases: dict[str, FamilyCase], tmp_path_factory: pytest.TempPathFactory) -> FoundOnJax:
        """One process for all: most of its time goes into its start."""
        pytest.importorskip("jax")
        every = list(cases.values())
        found = predicted_on_jax(every, tmp_path_factory.mktemp("jax"))
        return lambda case: found[every.index(case)]


def test_every_registered_family_is_asked() -> None:
    assert {case.name for case in CASES.values()} == set(registry.families())
