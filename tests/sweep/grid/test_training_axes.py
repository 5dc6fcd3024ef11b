"""Settings of training that a search varies: names, settings of each trial, and what is told of wrong ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapsack.sweep.cluster.launch import changes
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.points import LONGEST_NAME, trial_points
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.training_axes import axis_keys
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec

HEAD = """
name: small
data: {level: video, validate: ["v*.tfrecord"], holdout: {count: 2}}
model: {family: gated_netvlad, options: {clusters: 16, hidden: 512}}
"""


@pytest.fixture
def load(tmp_path):
    def loaded(search, training="{steps: 100}", head=HEAD):
        path = tmp_path / "grid.yaml"
        path.write_text(f"{head}training: {training}\nsearch: {search}\n")
        return load_grid(path)

    return loaded


def problems(load, search, training="{steps: 100}"):
    with pytest.raises(ConfigError) as caught:
        load(search, training)
    return dict(line.strip().split(": ", 1) for line in str(caught.value).splitlines()[1:])


def names(grid):
    return [point.name for point in trial_points(grid)]


def test_every_trial_has_its_own_settings_and_a_short_name(load):
    grid = load("{grid: {training.learning_rate: [1e-3, 3e-4], training.seed: [0, 1]}}")
    points = trial_points(grid)
    assert names(grid) == [f"K16-H512-lr{rate}-s{seed}" for rate in ("1e-3", "3e-4") for seed in (0, 1)]
    assert [(each.training.learning_rate, each.training.seed) for each in points] == [
        (1e-3, 0),
        (1e-3, 1),
        (3e-4, 0),
        (3e-4, 1),
    ]
    assert {each.training.steps for each in points} == {100}
    assert all(each.hyperparameters["clusters"] == 16 for each in points)
    assert all(not key.startswith("training.") for each in points for key in each.hyperparameters)


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("batch_size", "[40, 80]", ["bs40", "bs80"]),
        ("weight_decay", "[0.0, 0.05, 1e-5]", ["wd0", "wd0.05", "wd1e-5"]),
        ("schedule", "[staircase, cosine]", ["schedule_staircase", "schedule_cosine"]),
        ("ema_decay", "[null, 0.999]", ["ema_decay_null", "ema_decay0.999"]),
        ("averaging.last", "[5, 10]", ["averaging.last5", "averaging.last10"]),
        ("averaging.enabled", "[true, false]", ["averaging.enabled_True", "averaging.enabled_False"]),
        ("pruning.sparsity", "[null, 0.75]", ["sparsity_null", "sparsity0.75"]),
        ("precisions", "[float16, float16+int8]", ["precisions_float16", "precisions_float16+int8"]),
        ("l2", "[1.23456e-6, 1.23457e-6]", ["l21.23e-6", "l21.23457e-06"]),
    ],
)
def test_names_of_settings_are_short_rounded_and_safe(load, key, values, expected):
    assert names(load(f"{{grid: {{training.{key}: {values}}}}}")) == [f"K16-H512-{each}" for each in expected]


@given(st.lists(st.floats(1e-9, 10.0), min_size=2, max_size=6, unique=True))
def test_no_two_rates_share_a_name(values):
    grid = Grid.model_validate(
        {
            "name": "g",
            "data": {"level": "frame", "validate": ["v"], "classes": 7},
            "model": {"family": "gated_netvlad", "options": {"clusters": 2, "hidden": 2}},
            "search": {"grid": {"training.learning_rate": values}},
        }
    )
    found = names(grid)
    assert len(set(found)) == len(values)
    assert all(len(name) <= LONGEST_NAME and name.isascii() and "/" not in name for name in found)


def test_names_are_bounded_whatever_varies(load):
    everything = {
        "training.averaging.max_evaluations": 7,
        "training.sensitivity.gap_loss": 0.00123,
        "training.sensitivity.videos": 123456,
        "training.calibration_videos": 123456,
        "training.batch_norm_decay": 0.98765,
        "training.decay_examples": 1234567,
        "training.checkpoint_steps": 12345,
    }
    axes = ", ".join(f"{key}: [{value}, {value}1]" for key, value in everything.items() if "decay" not in key)
    found = names(load(f"{{grid: {{{axes}}}}}"))
    assert len(set(found)) == len(found) == 32
    assert all(len(name) <= LONGEST_NAME for name in found)


def test_the_order_in_which_settings_are_written_makes_no_other_trial(load):
    both = "{training.seed: 1, training.learning_rate: 1e-3}, {training.learning_rate: 1e-3, training.seed: 1}"
    [told] = problems(load, f"{{points: [{both}]}}").values()
    assert told.startswith("expected each trial once, got K16-H512-lr1e-3-s1 again")


def test_a_section_is_there_only_where_its_axis_is_no_null(load):
    grid = load("{grid: {training.pruning.sparsity: [null, 0.5]}}", "{steps: 100, pruning: {sparsity: 0.75}}")
    none, half = trial_points(grid)
    assert none.training.pruning is None
    assert half.training.pruning is not None and half.training.pruning.sparsity == 0.5
    [told] = problems(
        load, "{points: [{training.pruning.sparsity: null, training.pruning.end_step: 50}]}", "{steps: 100}"
    ).values()
    assert told.startswith("training.pruning.end_step: expected null where training.pruning.sparsity is null, got 50")


def test_products_with_axes_of_their_own(load):
    grid = load(
        "{grid: [{training.schedule: [cosine]}, {training.schedule: [staircase], training.decay_rate: [0.8, 0.9]}]}"
    )
    assert names(grid) == [
        "K16-H512-schedule_cosine",
        "K16-H512-schedule_staircase-decay_rate0.8",
        "K16-H512-schedule_staircase-decay_rate0.9",
    ]
    assert Grid.model_validate(grid.to_dict()) == grid


def test_families_with_axes_of_their_own(load):
    head = HEAD[: HEAD.index("model")] + "model: {families: {moe: {}, gru_bidirect: {}}}\n"
    grid = load(
        "{grid: [{family: [moe], mixtures: [2, 4], training.seed: [0, 1]}, {family: [gru_bidirect], cells: [8]}]}",
        head=head,
    )
    assert names(grid) == ["moe-M2-s0", "moe-M2-s1", "moe-M4-s0", "moe-M4-s1", "gru_bidirect-N8"]
    with pytest.raises(ConfigError, match=r"search.grid\[0\].mixtures .*unknown hyperparameter of gru_bidirect"):
        load("{grid: [{family: [moe, gru_bidirect], mixtures: [2]}]}", head=head)


@pytest.mark.parametrize(
    ("search", "place", "sentence"),
    [
        (
            "{grid: {training.learning_rat: [1e-3]}}",
            "search.grid.training.learning_rat",
            "unknown key of training; did you mean training.learning_rate?",
        ),
        (
            "{grid: {training.learning_rate: [1e-3, 0, fast]}}",
            "search.grid.training.learning_rate[1]",
            "expected a value greater than 0, got 0",
        ),
        (
            "{grid: [{training.seed: [0]}, {training.batch_size: [8, 8]}]}",
            "search.grid[1].training.batch_size[1]",
            "expected each value once, got 8 again",
        ),
        (
            "{grid: {training.averaging: [1]}}",
            "search.grid.training.averaging",
            "expected a key in this section, such as training.averaging.enabled",
        ),
        (
            "{points: [{training.teacher.predictions: there}]}",
            "search.points[0].training.teacher.predictions",
            "expected training.teacher.predictions in the training section, since a run has one teacher",
        ),
        (
            "{points: [{training.predictions_top_k: 50}]}",
            "search.points[0].training.predictions_top_k",
            "expected training.predictions_top_k in the training section, since the candidates of one pool keep as "
            "many classes",
        ),
        (
            "{points: [{training.batch_size: 80, training.accumulate: 3}]}",
            "search.points[0]",
            "training: expected accumulate to divide batch_size 80, got 3 (with training.batch_size 80, "
            "training.accumulate 3)",
        ),
        (
            "{points: [{training.teacher.weight: 0.5}]}",
            "search.points[0]",
            "training.teacher.predictions: expected a value, got none (with training.teacher.weight 0.5)",
        ),
        (
            "{points: [{training.precisions: float16+int9}]}",
            "search.points[0].training.precisions",
            None,
        ),
        (
            "{sampler: {trials: 3, space: {training.batch_size: {low: 8, high: 16, step: 0.5}}}}",
            "search.sampler.space.training.batch_size",
            "expected whole numbers for training.batch_size, got step 0.5",
        ),
        (
            "{sampler: {trials: 3, space: {training.l2: {low: -1.0, high: 1.0}}}}",
            "search.sampler.space.training.l2",
            "expected a value of at least 0, got -1.0",
        ),
        (
            "{grid: {clusters: [2], hidden: [null]}}",
            "search.grid.clusters",
            None,
        ),
    ],
)
def test_what_is_wrong_is_told_in_its_place(load, search, place, sentence):
    found = problems(load, search)
    told = {line.rpartition(" (line")[0]: each for line, each in found.items()}
    assert place in told
    assert sentence is None or told[place] == sentence


def test_conditions_name_axes_above(load):
    space = "training.schedule: {choices: [staircase, cosine]}"
    rate = "training.decay_rate: {low: 0.5, high: 0.9, when: {training.schedule: %s}}"
    assert load(f"{{sampler: {{trials: 3, space: {{{space}, {rate % 'staircase'}}}}}}}")
    for wrong, told in (
        (f"{space}, {rate % 'linear'}", "when training.schedule is one of its choices, got linear"),
        (f"{rate % 'staircase'}, {space}", "to depend on axes above it, got when: training.schedule"),
    ):
        with pytest.raises(ConfigError, match=told):
            load(f"{{sampler: {{trials: 3, space: {{{wrong}}}}}}}")


def test_every_key_of_the_section_but_those_that_all_share_can_be_an_axis():
    keys = {key.removeprefix("training.") for key in axis_keys()}
    assert {"learning_rate", "batch_size", "steps", "schedule", "pruning.sparsity", "teacher.weight", "seed"} <= keys
    assert {"averaging.last", "precisions", "sensitivity.videos", "evaluation_steps", "kernels"} <= keys
    shared = ("start_from", "teacher.predictions", "teacher.digest", "predictions_top_k")
    assert not {key for key in keys if key.startswith(shared)}


def test_a_run_goes_on_when_axes_and_seeds_are_added(load):
    before = load("{points: [{mixtures: 2}]}")
    after = load("{points: [{mixtures: 2}, {mixtures: 2, training.seed: 1}, {mixtures: 4, training.steps: 50}]}")
    assert changes(before, after) == []
    old, new = (SweepSpec("run", grid, ("/d/t",), ("/d/h",)) for grid in (before, after))
    first = trial_points(before)[0]
    assert old.trial(first.axes).fingerprint() == new.trial(first.axes).fingerprint()
    prints = [new.trial(point.axes).fingerprint() for point in trial_points(after)]
    assert len(set(prints)) == 3


def test_a_trials_spec_has_its_own_settings_and_survives_json(load):
    sweep = SweepSpec("run", load("{grid: {training.seed: [3, 4], training.precisions: [float16+int8]}}"), (), ())
    spec = sweep.trial({"training.seed": 4, "training.precisions": "float16+int8"})
    assert (spec.grid.training.seed, spec.grid.training.precisions) == (4, ("float16", "int8"))
    assert TrialSpec.from_dict(spec.to_dict()) == spec
    assert "training" not in spec.to_dict()["point"]
