"""Every architecture against the predictions, losses, gradients and statistics of its authors' own graph.

Each file of `golden/families` has weights, a batch, and what the authors' code made of them; see `CASES` for the model
of ours that is the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from gapsack.models import checkpoints, registry, sizes
from gapsack.models.tasks.losses import loss_of_answer
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.training import Recipe
from gapsack.models.training.trainer import Trainer

Arrays = dict[str, NDArray[Any]]
FIRST_MOMENT_SHARE = 0.1  # of the gradient, in Adam's first moment after one step


@dataclass(frozen=True)
class GoldenCase:
    """A file, and the model of ours that it holds.

    Attributes:
        file: Name without ending.
        family: Of ours.
        letters: Our hyperparameter by the file's letter.
        options: Further hyperparameters.
        l2: Of the file's `l2_loss`.
    """

    file: str
    family: str
    letters: Mapping[str, str]
    options: Mapping[str, Any]
    l2: float = 1e-8


BAG = {"C": "clusters", "H": "hidden", "V": "classes", "M": "mixtures"}
CLUSTERED = {"K": "clusters", "H": "hidden", "V": "classes", "M": "mixtures"}
VLAD = {"K": "clusters", "H": "hidden", "V": "classes"}
TIME = {"N": "cells", "L": "layers", "V": "classes", "M": "mixtures"}
CASES = (
    GoldenCase("dbof", "dbof", BAG, {}),
    GoldenCase("willow_netvlad", "willow_netvlad", CLUSTERED, {}, l2=1e-6),
    GoldenCase("netrvlad", "netrvlad", CLUSTERED, {}, l2=1e-6),
    GoldenCase("netfv", "netfv", CLUSTERED, {}, l2=1e-6),
    GoldenCase("soft_dbof", "soft_dbof", BAG, {"probability_gating": True}, l2=1e-6),
    GoldenCase("gated_dbof", "gated_dbof", BAG, {}, l2=1e-6),
    GoldenCase("nextvlad", "nextvlad", VLAD, {"groups": 8, "expansion": 2, "reduction": 4, "dropout": 0}, l2=1e-5),
    GoldenCase(
        "mix_nextvlad",
        "mix_nextvlad",
        VLAD,
        {"groups": 8, "expansion": 1, "reduction": 8, "dropout": 0, "branches": 2, "places": 12},
        l2=1e-5,
    ),
    GoldenCase("lstm", "lstm", TIME, {}),
    GoldenCase("gru", "gru", TIME, {}, l2=1e-6),
    GoldenCase("lstm_willow", "lstm_willow", TIME, {}),
    GoldenCase("lstm_bidirect", "lstm_bidirect", {"N": "cells", "V": "classes"}, {}),
    GoldenCase("gru_bidirect", "gru_bidirect", {"N": "cells", "V": "classes"}, {}),
    GoldenCase("logistic", "logistic", {"V": "classes"}, {}),
    GoldenCase("frame_level_logistic", "frame_level_logistic", {"V": "classes"}, {}),
    GoldenCase("moe", "moe", {"V": "classes", "M": "mixtures"}, {}),
    GoldenCase("moe_gated", "moe", {"V": "classes", "M": "mixtures"}, {"probability_gating": True}, l2=1e-6),
    GoldenCase("gated_netvlad", "gated_netvlad", CLUSTERED, {}, l2=1e-6),
)
COMPILED = ("dbof", "netfv", "mix_nextvlad", "gru", "lstm_bidirect", "moe_gated", "gated_netvlad")
"""One of each kind of network, with each building block: what XLA makes of the others is made of the same parts."""


class Reference:
    """A golden file beside a model of ours with its weights."""

    def __init__(self, case: GoldenCase, path: Path) -> None:
        self.case = case
        with np.load(path) as file:
            self.arrays = dict(file)
        given = {ours: int(self.arrays[letter]) for letter, ours in case.letters.items()}
        self.hyperparameters = {**given, **case.options}
        self.labels = self.arrays["labels"].astype(bool)
        self.level = "video" if "features" in self.arrays else "frame"

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def part(self, prefix: str) -> Arrays:
        return {name.removeprefix(prefix): values for name, values in self.arrays.items() if name.startswith(prefix)}

    def model(self) -> Any:
        model = registry.build(self.case.family, **self.hyperparameters)
        checkpoints.load_reference_weights(model, self.part("w:"))
        return model

    def inputs(self, index: str) -> Arrays:
        """The batch as the authors' graph saw it: whole, or the frames that it drew."""
        if self.level == "video":
            features = self["features"]
            return {"frames": features[:, np.newaxis], "num_frames": np.ones(len(features), np.int32)}
        frames, num_frames = self["frames_uint8"], self["num_frames"].astype(np.int32)
        if index in self.arrays:
            frames = np.take_along_axis(frames, self[index][..., np.newaxis], axis=1)
            num_frames = np.minimum(num_frames, frames.shape[1])
        return {"frames": np.ascontiguousarray(frames), "num_frames": num_frames}

    @property
    def loss(self) -> Any:
        return YouTube8M(self.level, self.labels.shape[1]).loss

    def state_after_a_step(self, **recipe: Any) -> Arrays:
        """Of a trainer in which nothing is added to the gradients of the loss, and nothing clipped."""
        trainer = Trainer(self.model(), Recipe(batch_size=len(self.labels), clip_norm=None, l2=0, **recipe), self.loss)
        trainer.train_step(self.inputs("train_frame_index"), self.labels)
        return trainer.state()


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.file)
def reference(request: pytest.FixtureRequest, golden: Path) -> Reference:
    path = golden / "families" / f"{request.param.file}.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the reference outputs")
    return Reference(request.param, path)


@pytest.fixture(scope="module")
def state(reference: Reference) -> Arrays:
    """After one step on the authors' batch, from their weights."""
    return reference.state_after_a_step()


def test_tensors_are_the_authors_by_name_and_shape(reference: Reference) -> None:
    tensors = sizes.tensors(reference.case.family, reference.hyperparameters)
    expected = {name: values.shape for name, values in reference.part("w:").items()}
    assert {tensor.name: tensor.shape for tensor in tensors} == expected
    trained = {tensor.name for tensor in tensors if tensor.trainable}
    assert trained == set(reference.part("grad:"))


def test_predictions(reference: Reference) -> None:
    found = np.asarray(reference.model()(reference.inputs("frame_index")))
    assert_allclose(found, reference["predictions"], rtol=0, atol=1e-5)


def test_predictions_in_training(reference: Reference) -> None:
    found = np.asarray(reference.model()(reference.inputs("train_frame_index"), training=True))
    assert_allclose(found, reference["train_predictions"], rtol=0, atol=1e-5)


def test_the_loss_in_evaluation(reference: Reference) -> None:
    answer = reference.model().answer(reference.inputs("frame_index"))
    found = float(loss_of_answer(reference.loss, answer, reference.labels, 0.0))
    assert found == pytest.approx(float(reference["eval_loss"]), rel=1e-5)


def test_the_loss_in_training(reference: Reference, state: Arrays) -> None:
    expected = float(reference["loss"]) + float(reference.arrays.get("kl_loss", 0.0))
    assert float(state["loss_sum"]) == pytest.approx(expected, rel=1e-5)


def test_the_l2_term(reference: Reference) -> None:
    weights = reference.part("w:")
    decayed = [t.name for t in sizes.tensors(reference.case.family, reference.hyperparameters) if t.decayed]
    total = sum(float(np.square(weights[name], dtype=np.float64).sum()) for name in decayed)
    assert reference.case.l2 / 2 * total == pytest.approx(float(reference["l2_loss"]), rel=1e-5)


def test_gradients(reference: Reference, state: Arrays) -> None:
    check_gradients(reference, state)


@pytest.mark.long
@pytest.mark.parametrize(
    "reference", [case for case in CASES if case.file in COMPILED], indirect=True, ids=lambda case: case.file
)
def test_gradients_compiled_as_one(reference: Reference) -> None:
    check_gradients(reference, reference.state_after_a_step(xla=True))


def check_gradients(reference: Reference, state: Arrays) -> None:
    for name, gradient in reference.part("grad:").items():
        found = state[f"adam_m/{name}"] / FIRST_MOMENT_SHARE
        place = reference.arrays.get(f"gradindex:{name}")
        ours = found if place is None else found.reshape(-1)[place]
        limit = 1e-5 + 1e-3 * np.abs(gradient).max()
        assert_allclose(ours, gradient, rtol=0, atol=limit, err_msg=name)
        norm = float(reference[f"gradnorm:{name}"])
        assert np.linalg.norm(found) == pytest.approx(norm, rel=1e-3, abs=2e-5), name


def test_moving_statistics(reference: Reference, state: Arrays) -> None:
    for name, values in reference.part("updated:").items():
        assert_allclose(state[f"weights/{name}"], values, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.long
def test_all_of_this_on_jax(golden: Path) -> None:
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", __file__, "-q", "-m", "not long", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
