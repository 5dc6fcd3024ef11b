"""A trial from spec to record, with a small trainer that needs no backend, stopped and killed wherever it may be."""

import csv
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gapsack.sweep.trial.run
from gapsack.models import precisions, sizes
from gapsack.models.checkpoints import read_weights
from gapsack.models.errors import TrainingError
from gapsack.models.tasks import View
from gapsack.models.training import Recipe
from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.selection.gap import gap_of_lists
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.cluster.launch import train_to_end
from gapsack.sweep.cluster.worker import EarlyEndOf, run_in_worker
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.videos import Videos
from gapsack.sweep.grid.scheduling import Scheduler
from gapsack.sweep.measure.holdout import HoldoutSet
from gapsack.sweep.runs.attempts import TrialSupersededError
from gapsack.sweep.runs.damage import set_aside_damaged
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.rungs import RungHistory, RungReport
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import state_of
from gapsack.sweep.trial.control import Control, TrialInterruptedError, TrialStoppedEarlyError
from gapsack.sweep.trial.run import run_trial
from gapsack.sweep.trial.trial_checkpoints import Checkpoints

MATRIX = "tower/gating_prob_weights"


class LinearTrainer:
    """Logistic regression on mean frames, by gradient descent with momentum, in the tensors of a gated NetVLAD."""

    def __init__(self, spec):
        rng = np.random.default_rng(spec.grid.training.seed)
        tensors = sizes.tensors(spec.point.family, spec.point.hyperparameters)
        self.tensors = {t.name: rng.normal(size=t.shape, scale=0.1).astype(np.float32) for t in tensors}
        self.matrix = self.tensors[MATRIX]
        self.momentum = np.zeros_like(self.matrix)
        self.losses = []
        self.recipe, self.kernels = Recipe(learning_rate=0.05), "plain"

    def predict(self, frames):
        return 1 / (1 + np.exp(-(frames.mean(axis=1, dtype=np.float32) / 128) @ self.matrix))

    def predict_top(self, inputs, k):
        scores = self.predict(inputs["frames"])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return order.astype(np.int32), np.take_along_axis(scores, order, axis=1)

    def train_step(self, inputs, labels):
        frames = inputs["frames"]
        means, scores = frames.mean(axis=1, dtype=np.float32) / 128, self.predict(frames)
        gradient = means.T @ (scores - labels) / np.float32(len(frames))
        self.momentum = np.float32(0.9) * self.momentum + gradient
        self.matrix[:] -= np.float32(self.recipe.learning_rate) * self.momentum
        self.losses.append(float(-np.mean(np.where(labels, np.log(scores), np.log1p(-scores)))))

    def take_loss(self):
        loss, self.losses = float(np.mean(self.losses)), []
        if not np.isfinite(loss):
            raise TrainingError(f"expected a finite loss, got {loss}")
        return loss

    def state(self):
        return {"matrix": self.matrix, "momentum": self.momentum, "losses": np.array(self.losses)}

    def load_state(self, arrays):
        self.matrix[:], self.momentum, self.losses = arrays["matrix"], arrays["momentum"], list(arrays["losses"])

    def flops(self, inputs):
        (frames, _) = inputs
        return 2 * frames.shape[-1] * self.matrix.shape[1]

    def close(self):
        self.tensors.clear()

    def weights(self):
        return self.tensors

    def load_weights(self, weights):
        for name, values in weights.items():
            self.tensors[name][...] = values


@pytest.fixture(autouse=True)
def linear(monkeypatch):
    monkeypatch.setattr(gapsack.sweep.trial.run, "new_trainer", LinearTrainer)


class KilledError(BaseException):
    """Stands for a worker's death: nothing catches it."""


def run(spec, *, stop_after=10**9, kill_after=10**9, meanwhile=(10**9, None)):
    """Run a trial that is asked to stop, or killed, when it asks for the n-th time whether to stop.

    `meanwhile` is what happens elsewhere when it asks for the n-th time.
    """
    calls = 0
    reports = []

    def should_stop():
        nonlocal calls
        calls += 1
        if calls == meanwhile[0]:
            meanwhile[1]()
        if calls > kill_after:
            raise KilledError
        return calls > stop_after

    attempt = spec.folder.begin(spec.to_dict())
    control = Control(lambda metrics: reports.append(dict(metrics)), should_stop, attempt=attempt)
    return run_trial(spec, control), reports


def curve(spec):
    with spec.folder.curve.open() as file:
        return [{key: float(text) if text else None for key, text in row.items()} for row in csv.DictReader(file)]


WITHOUT_CLOCKS = ("videos_per_second", "data_wait_share", "fit_seconds", "finished", "run", "faults")


def assert_same_result(left, right):
    """Two trials came to the same: weights bit by bit, scores, predictions, curves."""
    weights = [read_weights(spec.folder.weights) for spec in (left, right)]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], array, err_msg=name)
    records = [json.loads(spec.folder.record.read_text()) for spec in (left, right)]
    for record in records:
        for key in WITHOUT_CLOCKS:
            del record[key]
    assert records[0] == records[1]
    rows = [[(row["step"], row["loss"], row["gap"]) for row in curve(spec)] for spec in (left, right)]
    assert rows[0] == rows[1]
    pools = [CandidatePool.read(spec.run.pool)[spec.name] for spec in (left, right)]
    np.testing.assert_array_equal(pools[0].predictions.top_scores, pools[1].predictions.top_scores)


def test_a_trial_leaves_a_record_weights_a_curve_and_a_candidate(small_trial):
    spec = small_trial()
    record, reports = run(spec)

    assert TrialResult.read(spec.folder.record) == record
    assert not spec.folder.checkpoints.exists()
    assert not spec.folder.running.exists()
    rows = curve(spec)
    assert [row["step"] for row in rows] == [3, 4, 6, 8, 9, 12, 15, 16, 18, 20, 21, 24]
    assert {row["step"] for row in rows if row["gap"] is not None} == {4, 8, 12, 16, 20, 24}
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert [report["step"] for report in reports if report["phase"] == "training"] == [row["step"] for row in rows]
    assert record.videos == 65
    assert record.gap == max(record.gap_single, record.gap_averaged)
    assert record.gap == record.gap_by_precision["float32"]
    # Checkpoints at 12, 18, 24; 12 and 24 were measured in training, so single 18 and the ranges are evaluations.
    assert {(first, last) for first, last, _gap in record.averaging_evaluated} >= {(12, 12), (24, 24), (12, 24)}
    assert record.data["train"]["files"] == 2
    assert record.faults["holdout"]["good"] == 65


def test_the_candidate_predicts_what_the_final_weights_predict(small_trial, small_files):
    spec = small_trial()
    record, _reports = run(spec)
    pool = CandidatePool.read(spec.run.pool)
    candidate = pool["K2-H8"]
    assert candidate.predictions.k == 22
    assert candidate.size_bytes.keys() == {"float32", "float16"}
    assert candidate.origin["weights"] == "../trials/K2-H8/weights.npz"
    assert candidate.origin["sample_frames"] == 4

    trainer = LinearTrainer(spec)
    weights = read_weights(spec.folder.weights)
    features = Features("frame", 24, rgb=16, audio=8, max_frames=8)
    holdout = HoldoutSet(small_files["holdout"], Videos(features), batch_size=64, view=View(4), max_bad_share=0)
    tensors = sizes.tensors(spec.point.family, spec.point.hyperparameters)
    for precision in ("float32", "float16"):
        trainer.load_weights(precisions.roundtrip(weights, precision, tensors))
        expected = holdout.measure(trainer, 22)
        found = candidate.predictions_at(precision)
        # Batches of another size are added up in another order, a few float32 roundings apart.
        np.testing.assert_allclose(found.top_scores, expected.predictions.top_scores, rtol=1e-5)
        gap = gap_of_lists(found.top_indices, found.top_scores, pool.labels)
        assert gap == pytest.approx(record.gap_by_precision[precision], abs=1e-12)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 150)), min_size=1, max_size=4))
def test_stopped_or_killed_anywhere_a_trial_comes_to_the_same_result(small_trial, ends):
    undisturbed, disturbed = small_trial("undisturbed"), small_trial(uuid.uuid4().hex)
    if not undisturbed.folder.record.exists():
        run(undisturbed)
    for killed, after in ends:
        try:
            run(disturbed, **{"kill_after" if killed else "stop_after": after})
            break
        except (KilledError, TrialInterruptedError):
            assert not disturbed.folder.record.exists()
    else:
        run(disturbed)
    assert_same_result(undisturbed, disturbed)


def folder_of(spec):
    """All files of a trial and of its pool, by name."""
    roots = (spec.folder.path, spec.run.pool)
    return {path: path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("after", [3, 40, 80, 110])
@pytest.mark.parametrize("newer_is_done", [False, True])
def test_an_attempt_that_was_cut_off_touches_nothing_of_the_newer_one(small_trial, after, newer_is_done):
    """While training, measuring, averaging and publishing: meanwhile another worker has begun the trial."""
    undisturbed, spec = small_trial("undisturbed"), small_trial()
    left = {}

    def elsewhere():
        if newer_is_done:
            run(spec)
        else:
            with pytest.raises(TrialInterruptedError):
                run(spec, stop_after=2)
        left.update(folder_of(spec))

    with pytest.raises(TrialSupersededError, match="attempt 1 at K2-H8 ends: attempt 2, process"):
        run(spec, meanwhile=(after, elsewhere))
    assert left, "the older attempt came that far"
    assert folder_of(spec) == left
    if not newer_is_done:
        run(spec)
    run(undisturbed)
    assert_same_result(undisturbed, spec)


def test_what_the_newer_attempt_is_writing_is_not_swept_away(small_trial):
    """An attempt that was held up between its beginning and its first look at the folder."""
    spec = small_trial()
    late = spec.folder.begin(spec.to_dict())
    spec.folder.begin(spec.to_dict())
    part = spec.folder.path / ".weights.npz.1a2b.part"
    part.touch()
    with pytest.raises(TrialSupersededError):
        run_trial(spec, Control(lambda _metrics: None, lambda: False, attempt=late))
    assert part.exists()


def test_two_workers_that_begin_a_trial_at_once_come_to_one_result(small_trial):
    undisturbed, spec = small_trial("undisturbed"), small_trial()
    run(undisturbed)
    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(lambda _: run_in_worker(run_trial, spec, lambda _metrics: None), range(2)))
    assert "done" in [end["status"] for end in ends]
    assert {end["status"] for end in ends} <= {"done", "superseded"}
    assert_same_result(undisturbed, spec)


def test_a_stopped_trial_loses_no_step(small_trial):
    spec = small_trial(evaluation_steps=24, checkpoint_steps=24, log_steps=24)
    with pytest.raises(TrialInterruptedError):
        run(spec, stop_after=10)
    arrays = read_weights(spec.folder.checkpoints / "state.npz")
    assert json.loads(arrays["progress"].tobytes())["step"] == 10


def test_only_checkpoints_for_averaging_are_kept(small_trial):
    spec = small_trial(steps=60, checkpoint_steps=2, evaluation_steps=60)
    with pytest.raises(TrialInterruptedError):
        run(spec, stop_after=31)
    weights = sorted(path.name for path in spec.folder.checkpoints.glob("weights-*"))
    assert weights == ["weights-000000026.npz", "weights-000000028.npz", "weights-000000030.npz"]


def test_without_averaging_the_last_step_counts(small_trial):
    spec = small_trial(averaging={"enabled": False})
    record, _reports = run(spec)
    assert record.step_single == 24
    assert record.gap_averaged is None
    assert record.averaging_range is None
    assert record.gap == curve(spec)[-1]["gap"]


def test_a_loss_that_is_not_finite_ends_the_trial_and_leaves_no_checkpoints(small_trial, monkeypatch):
    class Diverging(LinearTrainer):
        def train_step(self, inputs, labels):
            super().train_step(inputs, labels)
            self.count = getattr(self, "count", 0) + 1
            if self.count == 14:
                self.losses[-1] = float("nan")

    monkeypatch.setattr(gapsack.sweep.trial.run, "new_trainer", Diverging)
    spec = small_trial()
    with pytest.raises(TrainingError, match="expected a finite loss, got nan"):
        run(spec)
    assert not spec.folder.checkpoints.exists()
    assert not spec.folder.record.exists()


def test_scores_that_are_not_finite_end_the_trial(small_trial, monkeypatch):
    class Broken(LinearTrainer):
        def predict(self, frames):
            return super().predict(frames) * np.nan

        def train_step(self, inputs, labels):
            self.losses.append(1.0)

    monkeypatch.setattr(gapsack.sweep.trial.run, "new_trainer", Broken)
    with pytest.raises(TrainingError, match="finite scores"):
        run(small_trial())


def test_weights_beyond_float16_leave_that_precision_out(small_trial, monkeypatch):
    class Large(LinearTrainer):
        def __init__(self, spec):
            super().__init__(spec)
            self.tensors["tower/gates/weights"][0, 0] = 1e6

    monkeypatch.setattr(gapsack.sweep.trial.run, "new_trainer", Large)
    spec = small_trial()
    record, _reports = run(spec)
    assert "within ±65504" in record.precisions_left_out["float16"]
    assert CandidatePool.read(spec.run.pool)["K2-H8"].size_bytes.keys() == {"float32"}


def test_another_training_does_not_go_on_from_these_checkpoints(small_trial):
    with pytest.raises(TrialInterruptedError):
        run(small_trial(), stop_after=30)
    other = small_trial(seed=4)
    fresh = small_trial("fresh", seed=4)
    run(other)
    run(fresh)
    assert_same_result(other, fresh)


def spoilt(path, how):
    """Damage a file; returns what was in it."""
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "zeros": bytes(len(content))}[how])
    return content


@pytest.fixture
def fits(monkeypatch):
    """Steps that were trained, over all trials."""
    steps = []

    class Counting(LinearTrainer):
        def train_step(self, inputs, labels):
            steps.append(1)
            super().train_step(inputs, labels)

    monkeypatch.setattr(gapsack.sweep.trial.run, "new_trainer", Counting)
    return steps


PUBLISHED = ("K2-H8.json", "K2-H8.npz", "K2-H8.float16.npz", "labels.npz")


@pytest.mark.parametrize("how", ["empty", "cut", "zeros", "gone"])
@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("earlier_version", [False, True])
def test_what_is_damaged_in_the_pool_is_published_again_without_training(small_trial, fits, name, how, earlier_version):
    spec = small_trial()
    record, _ = run(spec)
    if earlier_version:
        replace_json(spec.folder.record, {**record.to_dict(), "files": {}})
    before = {file: (spec.run.pool / file).read_bytes() for file in PUBLISHED}
    spoilt(spec.run.pool / name, how)
    told = set_aside_damaged(spec.run, spec.grid)
    if how == "gone" and earlier_version and name in ("K2-H8.json", "K2-H8.float16.npz"):
        # Nothing says that it was ever there: an earlier record tells no files.
        assert told == []
        return
    assert len(told) == 1 and name in told[0]
    assert not spec.folder.record.exists()
    trained = len(fits)
    again, _ = run(spec)
    assert len(fits) == trained
    assert not spec.folder.earlier_record.exists()
    assert {file: (spec.run.pool / file).read_bytes() for file in PUBLISHED} == before
    assert again.model_copy(update={"finished": record.finished}) == record
    assert set_aside_damaged(spec.run, spec.grid) == []


@pytest.mark.parametrize("how", ["empty", "cut", "zeros"])
def test_a_trial_whose_weights_are_damaged_is_trained_again_to_the_same_result(small_trial, fits, how):
    spec, undisturbed = small_trial(), small_trial("undisturbed")
    run(undisturbed)
    run(spec)
    spoilt(spec.folder.weights, how)
    (told,) = set_aside_damaged(spec.run, spec.grid)
    assert str(spec.folder.weights) in told
    trained = len(fits)
    run(spec)
    assert len(fits) == trained + 24
    assert not spec.folder.earlier_record.exists()
    assert_same_result(undisturbed, spec)


@pytest.mark.parametrize("how", ["empty", "cut", "zeros"])
def test_a_trial_whose_record_is_damaged_is_published_again_from_its_weights(small_trial, fits, how):
    spec = small_trial()
    record, _ = run(spec)
    before = {file: (spec.run.pool / file).read_bytes() for file in PUBLISHED}
    spoilt(spec.folder.record, how)
    (told,) = set_aside_damaged(spec.run, spec.grid)
    assert str(spec.folder.record) in told
    trained = len(fits)
    again, _ = run(spec)
    assert len(fits) == trained
    assert {file: (spec.run.pool / file).read_bytes() for file in PUBLISHED} == before
    lost = {"averaging_range", "averaging_evaluated", "step_single", "data_wait_share", "environment", "kernels"}
    # Not measured again: of the whole training, where the curve knows the last stretch; and what read the files.
    other = {"videos_per_second", "fit_seconds", "seeds", "data", "faults", "finished"}
    kept = record.to_dict().keys() - lost - other
    assert {key: again.to_dict()[key] for key in kept} == {key: record.to_dict()[key] for key in kept}


def test_a_record_and_a_config_that_are_damaged_cost_a_training(small_trial, fits):
    spec = small_trial()
    run(spec)
    spoilt(spec.folder.record, "cut")
    spoilt(spec.folder.config_file, "cut")
    set_aside_damaged(spec.run, spec.grid)
    trained = len(fits)
    run(spec)
    assert len(fits) == trained + 24


def test_a_record_that_is_damaged_or_of_another_training_is_not_published_by(small_trial, fits):
    spec = small_trial()
    record, _ = run(spec)
    for content in ("", json.dumps({**record.to_dict(), "fingerprint": "another"})):
        spec.folder.earlier_record.write_text(content)
        spec.folder.record.unlink()
        trained = len(fits)
        run(spec)
        assert len(fits) == trained + 24
        assert not spec.folder.earlier_record.exists()


def comparison(step, **values):
    """How the trial compares with others at a step."""
    return RungReport(number=0, rung=0, step=step, gap=0.1, size_bytes=1, compared=3, stop=True, reason="no", **values)


def stopped_at(spec, step, control=None):
    """Run a trial that others leave behind at a step; how it ends."""
    RungHistory(reports=(comparison(step),)).write(spec.folder)
    spec.folder.begin(spec.to_dict())
    with pytest.raises(TrialStoppedEarlyError) as ended:
        run_trial(spec, control or Control(lambda _metrics: None, lambda: False, EarlyEndOf(spec)))
    spec.folder.stop_early(ended.value.stopped)
    return ended.value.stopped


def with_scheduler(spec, **settings):
    search = spec.grid.search.model_copy(update={"scheduler": Scheduler(kind="asha", **settings)})
    return replace(spec, grid=spec.grid.model_copy(update={"search": search}))


def test_a_trial_that_is_stopped_early_keeps_its_checkpoints_and_its_curve(small_trial):
    spec = small_trial()
    stopped = stopped_at(spec, 8)
    assert (stopped.step, stopped.steps, stopped.rung, stopped.gap, stopped.published) == (8, 24, 0, 0.1, False)
    assert curve(spec)[-1]["step"] == 8
    assert Checkpoints(spec.folder.checkpoints, spec.fingerprint()).read_state()[0].step == 8
    assert spec.folder.status(run_alive=False) == "stopped early"
    assert not spec.run.pool.exists()


@pytest.mark.parametrize("published", [False, True])
def test_trained_on_it_comes_to_what_it_would_have_come_to(small_trial, published):
    whole, spec = small_trial("whole"), with_scheduler(small_trial(), publish_stopped=published)
    run(whole)
    stopped_at(spec, 8)

    train_to_end(spec.run, spec.name)

    assert spec.folder.status(run_alive=False) == "interrupted"
    spec.folder.begin(spec.to_dict())
    run_trial(spec, Control(lambda _metrics: None, lambda: False, EarlyEndOf(spec)))
    assert_same_result(whole, spec)
    assert spec.folder.status(run_alive=False) == "done"


def test_a_trial_that_is_stopped_early_can_become_a_candidate(small_trial):
    spec = with_scheduler(small_trial(), publish_stopped=True)
    assert stopped_at(spec, 20).published
    candidate = CandidatePool.read(spec.run.pool)[spec.name]
    assert candidate.metrics["stopped_at_step"] == 20
    measured = {row["step"]: row["gap"] for row in curve(spec) if row["gap"]}
    assert candidate.metrics["gap"] >= measured[20], "what it had when it was stopped is one of those to choose from"
    assert Checkpoints(spec.folder.checkpoints, spec.fingerprint()).steps() == [6, 12, 18]


@pytest.mark.parametrize("name", [*PUBLISHED, "weights"])
def test_what_is_damaged_of_a_trial_that_was_stopped_early_is_published_again_without_training(small_trial, fits, name):
    spec = with_scheduler(small_trial(), publish_stopped=True)
    stopped = stopped_at(spec, 8)
    assert set_aside_damaged(spec.run, spec.grid) == []
    trained, before = len(fits), {file: (spec.run.pool / file).read_bytes() for file in PUBLISHED}
    spoilt(spec.folder.weights if name == "weights" else spec.run.pool / name, "cut")
    if name != "labels.npz":
        [state] = state_of(spec.run, spec.grid, alive=False).trials
        assert state.status == "stopped early"
        assert "the next sweep run publishes this trial again" in state.reason

    [told] = set_aside_damaged(spec.run, spec.grid)

    assert ("labels" if name == "labels.npz" else f"{spec.name} is published again: expected") in told
    assert spec.folder.status(run_alive=False) == "interrupted"
    assert stopped_at(spec, 8) == stopped
    assert len(fits) == trained
    assert {file: (spec.run.pool / file).read_bytes() for file in PUBLISHED} == before
    assert set_aside_damaged(spec.run, spec.grid) == []


def test_a_trial_that_an_earlier_version_stopped_early_vouches_for_nothing(small_trial):
    spec = with_scheduler(small_trial(), publish_stopped=True)
    stopped = stopped_at(spec, 8)
    values = stopped.model_dump(mode="json")
    del values["files"]
    replace_json(spec.folder.stopped, values)
    assert spec.folder.stopped_early() == stopped.model_copy(update={"files": {}})
    spoilt(spec.run.pool / "K2-H8.npz", "cut")
    assert set_aside_damaged(spec.run, spec.grid) == []


def test_killed_between_the_decision_and_its_last_steps_it_is_still_stopped_there(small_trial):
    spec = with_scheduler(small_trial(), publish_stopped=True)
    spec.folder.begin(spec.to_dict())
    with pytest.raises(KilledError):
        run(spec, kill_after=9)
    stopped = stopped_at(spec, 8)
    assert (stopped.step, stopped.published) == (8, True)


def test_only_what_was_stopped_early_can_be_trained_on(small_trial):
    spec = small_trial()
    with pytest.raises(InputError, match=r"none of this run was\), got K2-H8 \(no trial of this run\)"):
        train_to_end(spec.run, "K2-H8")
    run(spec)
    with pytest.raises(InputError, match=r"got K2-H8 \(done\)"):
        train_to_end(spec.run, "K2-H8")


AXES = {"training.steps": 12, "training.seed": 5, "training.averaging.enabled": False, "training.batch_size": 6}


def with_axes(spec):
    """The same trial, with settings of its training as axes of the search rather than of the section."""
    sweep = SweepSpec(spec.run_folder, spec.grid, spec.train_files, spec.holdout_files)
    return sweep.trial({**spec.point.axes, **AXES})


def test_settings_that_vary_train_as_those_of_the_section(small_trial):
    varied = with_axes(small_trial("varied"))
    plain = small_trial(
        "plain", steps=12, seed=5, averaging={"enabled": False, "last": 3, "max_evaluations": 6}, batch_size=6
    )
    record, same = run(varied)[0], run(plain)[0]
    assert (record.steps, record.seeds["training"], record.averaging_range) == (12, 5, None)
    assert record.axes.items() >= AXES.items()
    assert record.training == same.training
    assert record.gap == same.gap
    assert varied.name == f"{plain.name}-steps12-bs6-averaging.enabled_False-s5"
    for name, array in read_weights(plain.folder.weights).items():
        assert np.array_equal(array, read_weights(varied.folder.weights)[name])
    [candidate] = CandidatePool.read(varied.run.pool).candidates
    assert candidate.origin["settings"] == AXES
    assert varied.fingerprint() != plain.fingerprint()


def test_a_trial_with_settings_of_its_own_goes_on_to_the_bit(small_trial):
    whole, stopped, killed = (with_axes(small_trial(name)) for name in ("whole", "stopped", "killed"))
    run(whole)
    with pytest.raises(TrialInterruptedError):
        run(stopped, stop_after=7)
    with pytest.raises(KilledError):
        run(killed, kill_after=9)
    for spec in (stopped, killed):
        run(spec)
        assert_same_result(spec, whole)
