"""What a trial leaves in the pool, with a real model: the predictions of exactly the bytes that a graph stores."""

import platform
from dataclasses import replace

import numpy as np
import pytest

from gapsack.models import sizes
from gapsack.models.checkpoints import read_weights
from gapsack.models.graph import Graph, Member, build_graph
from gapsack.models.precisions import roundtrip
from gapsack.models.tasks import View, task_from_dict
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.measure.holdout import HoldoutSet
from gapsack.sweep.measure.sample import TrainingSample
from gapsack.sweep.trial.control import Control
from gapsack.sweep.trial.publish import publish
from gapsack.sweep.trial.run import new_trainer


def published(spec):
    """Publish the initial weights of a spec, made large enough for integers to matter."""
    dataset = spec.grid.data.dataset
    holdout = HoldoutSet(spec.holdout_files, dataset, batch_size=8, view=View(4), max_bad_share=0)
    trainer = new_trainer(spec)
    weights = {name: values * 3 for name, values in trainer.weights().items()}
    spec.folder.begin(spec.to_dict())
    result = publish(spec, trainer, weights, holdout, {}, control=Control(lambda metrics: None, lambda: False))
    return result, CandidatePool.read(spec.run.pool)["K2-H8"], trainer, weights, dataset


def built_scores(member, spec, candidate, dataset, folder):
    """Scores of a graph of `member` where the candidate's int4 predictions list classes."""
    build_graph([member], folder, task=task_from_dict(candidate.origin["task"]))
    graph, rows = Graph(folder), {}
    with dataset.raw(spec.holdout_files, batch_size=100, faults=Faults(0)) as batches:
        for batch in batches:
            probabilities = graph.predict(batch.inputs).probabilities
            rows |= zip(batch.video_ids.tolist(), probabilities, strict=True)
    listed = candidate.by_precision["int4"]
    return np.stack([rows[video][top] for video, top in zip(listed.video_ids, listed.top_indices, strict=True)])


def test_a_trial_is_timed_on_one_example_if_the_grid_says_so(small_trial):
    spec = small_trial()
    asked = spec.grid.resources.model_copy(update={"measure_latency": True})
    timed = replace(spec, grid=spec.grid.model_copy(update={"resources": asked}))
    assert timed.fingerprint() == spec.fingerprint()  # a sweep may go on with another answer
    result, candidate, trainer, *_ = published(timed)
    assert result.latency is not None
    assert result.latency.milliseconds > 0
    assert candidate.metrics["latency_ms"] == result.latency.milliseconds
    assert candidate.metrics["latency_measured_on"] == result.latency.measured_on
    assert platform.node() in result.latency.measured_on
    holdout = HoldoutSet(spec.holdout_files, spec.grid.data.dataset, batch_size=8, view=View(4), max_bad_share=0)
    example = holdout.example()
    assert {name: array.shape for name, array in example.items()} == {"frames": (1, 4, 24), "num_frames": (1,)}
    np.testing.assert_allclose(trainer.predict_alone(example), trainer.predict(example), atol=1e-6)

    untimed, candidate, *_ = published(small_trial("other"))
    assert untimed.latency is None
    assert not [key for key in candidate.metrics if key.startswith("latency")]
    assert candidate.metrics["flops"] == untimed.flops == result.flops


@pytest.fixture
def integer_trial(small_trial):
    return small_trial(precisions=["float16", "int8", "int4"], calibration_videos=40)


def test_integers_are_calibrated_and_the_graph_stores_those_that_were_measured(integer_trial, tmp_path):
    spec = integer_trial
    _, candidate, _, weights, dataset = published(spec)
    assert candidate.origin["calibration"] == "../trials/K2-H8/calibration.npz"
    assert candidate.origin["task"]["max_frames"] == 8
    calibration = read_weights(spec.folder.calibration)
    member = Member(
        name="K2-H8",
        family="gated_netvlad",
        hyperparameters=spec.point.hyperparameters,
        precision="int4",
        weight=1.0,
        weights=spec.run.pool / candidate.origin["weights"],
        sample_frames=candidate.origin["sample_frames"],
        calibration=spec.run.pool / candidate.origin["calibration"],
    )
    plain = roundtrip(weights, "int4", member.tensors)
    chosen = roundtrip(weights, "int4", member.tensors, calibration=calibration)
    assert (plain["tower/gates/weights"] != chosen["tower/gates/weights"]).any()

    stored = built_scores(member, spec, candidate, dataset, tmp_path / "graph")
    listed = candidate.by_precision["int4"]
    np.testing.assert_allclose(listed.top_scores, stored, atol=2e-5)
    other = built_scores(replace(member, calibration=None), spec, candidate, dataset, tmp_path / "other")
    assert np.abs(listed.top_scores - other).max() > 1e-3  # other integers show


def test_the_moments_are_those_of_the_final_weights(integer_trial):
    from gapsack.models.calibration import calibrate

    spec = integer_trial
    _, _, trainer, weights, _ = published(spec)
    trainer.load_weights(weights)
    batches = (batch.inputs for batch in TrainingSample.of(spec, 40).batches(16))
    for name, moments in calibrate(trainer.model, batches).items():
        np.testing.assert_array_equal(read_weights(spec.folder.calibration)[name], moments, err_msg=name)


@pytest.mark.parametrize("training", [{"precisions": ["float16"]}, {"precisions": ["int8"], "calibration_videos": 0}])
def test_without_integers_or_when_turned_off_nothing_is_calibrated(small_trial, training):
    spec = small_trial(**training)
    _, candidate, *_ = published(spec)
    assert not spec.folder.calibration.exists()
    assert "calibration" not in candidate.origin


def test_auto_publishes_the_mixed_precision_that_it_chose(small_trial):
    spec = small_trial(precisions=["auto", "float16"], sensitivity={"gap_loss": 0.004, "videos": 70})
    result, candidate, trainer, weights, _ = published(spec)
    assert result.sensitivity is not None
    recipe = result.sensitivity.recipe
    assert recipe.startswith("mixed_")
    assert candidate.size_bytes.keys() == {"float32", "float16", recipe}
    assert candidate.metrics["sensitivity"]["recipe"] == recipe
    tensors = sizes.tensors("gated_netvlad", spec.point.hyperparameters)
    trainer.load_weights(roundtrip(weights, recipe, tensors, calibration=read_weights(spec.folder.calibration)))
    holdout = HoldoutSet(spec.holdout_files, spec.grid.data.dataset, batch_size=8, view=View(4), max_bad_share=0)
    np.testing.assert_array_equal(
        candidate.by_precision[recipe].top_scores, holdout.measure(trainer, 22).predictions.top_scores
    )
    sample = TrainingSample.of(spec, 70)
    stored = sample.measure(trainer, 8).gap
    trainer.load_weights(weights)
    loss = sample.measure(trainer, 8).gap - stored
    assert result.sensitivity.gap_loss == pytest.approx(loss, abs=1e-12)
    assert loss <= 0.004


def test_auto_is_left_out_with_a_reason_where_no_recipe_is_good_enough(small_trial, monkeypatch):
    monkeypatch.setattr("gapsack.sweep.trial.sensitivity.ATTEMPTS", 0)
    result, candidate, *_ = published(small_trial(precisions=["auto"]))
    assert result.left_out["auto"].startswith("expected a mixed precision that loses at most 0.0005 GAP")
    assert candidate.size_bytes.keys() == {"float32"}
