import json
import os

import pytest

from gapsack.models.training import PruningSchedule
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.read import load_config, load_grid
from gapsack.sweep.grid.schema import Grid

SMALL = """
name: small
data: {level: video, validate: ["v*.tfrecord"], holdout: {count: 2}}
model: {family: gated_netvlad}
search:
  grid: {clusters: [8, 16], hidden: [64]}
"""


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch):
    monkeypatch.delenv("GAPSACK_DATA", raising=False)


@pytest.fixture
def load(tmp_path):
    def write_and_load(text, **options):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return load_grid(path, **options)

    return write_and_load


def problems(load, text):
    """The lines of the error, by their place."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    lines = str(caught.value).splitlines()[1:]
    return dict(line.strip().split(": ", 1) for line in lines)


def test_the_defaults_are_the_recipe_of_the_paper(load):
    grid = load(SMALL)
    training = grid.training
    assert (training.steps, training.batch_size, training.sample_frames) == (200_000, 80, 300)
    assert (training.learning_rate, training.decay_rate, training.decay_examples) == (1e-4, 0.8, 4_000_000)
    assert (training.clip_norm, training.l2) == (1.0, 1e-6)
    assert (grid.data.classes, grid.data.rgb, grid.data.audio, grid.data.max_frames) == (3862, 1024, 128, 300)
    assert (
        Grid.model_validate(
            {**json.loads(json.dumps(grid.to_dict())), "data": {"level": "frame", "validate": ["v"]}}
        ).data.holdout.count
        == 60
    )


def test_the_resolved_grid_reads_back_the_same(load, tmp_path):
    for holdout in ("{count: 2}", "{files: [v1, v2]}", "{seed: 3}"):
        grid = load(SMALL.replace("{count: 2}", holdout))
        path = tmp_path / "config.json"
        path.write_text(json.dumps(grid.to_dict()))
        assert load_config(path) == grid


def test_another_versions_config_is_an_error_in_one_line(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"name": "x"}')
    with pytest.raises(ConfigError, match="expected the resolved grid of a run") as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_every_error_is_told_at_once_with_its_place_and_line(load):
    found = problems(
        load,
        """
name: a b
data:
  level: frames
  validate: []
  holdout: {count: 3, files: [a]}
model: {family: gated_netvlad, options: {mixture: 3, classes: 3}}
search:
  grid: {clusters: [8, 1, 8], hiden: [3]}
  points: [{clusters: 4, hidden: 32}, {clusters: 3, hidden: no}]
training: {learning_rate: 1e-4, batch_size: 0, stepz: 200_000, steps: 2.5, averaging: {lst: 3}}
resources: {cpus: "2"}
budget: {precision: float15, mib: .inf}
blah: 3
""",
    )
    assert found == {
        "name (line 2)": 'expected letters, digits and . _ - (a letter or digit first), got "a b"',
        "data.level (line 4)": "expected 'frame' or 'video', got \"frames\"",
        "data.validate (line 5)": "expected at least 1 of them, got []",
        "data.holdout (line 6)": "expected either files, or count and seed, got both",
        "model.options.mixture (line 7)": "unknown hyperparameter of gated_netvlad; did you mean mixtures?",
        "model.options.classes (line 7)": "expected classes in the data section, which all trials share",
        "search.grid.clusters[1] (line 9)": "clusters must be an integer of at least 2, got 1",
        "search.grid.clusters[2] (line 9)": "expected each value once, got 8 again",
        "search.grid.hiden (line 9)": "unknown hyperparameter of gated_netvlad; did you mean hidden?",
        "search.grid (line 9)": "expected a value for hidden (H, width of the bottleneck), got none",
        "search.points[1].hidden (line 10)": "hidden must be an integer of at least 1, got 'no'",
        "training.batch_size (line 11)": "expected a value greater than 0, got 0",
        "training.stepz (line 11)": "unknown key; did you mean steps?",
        "training.steps (line 11)": "expected a whole number, got 2.5",
        "training.averaging.lst (line 11)": "unknown key; did you mean last?",
        "resources.cpus (line 12)": 'expected a number, got "2"',
        "budget.precision (line 13)": found["budget.precision (line 13)"],
        "budget.mib (line 13)": "expected a finite number, got Infinity",
        "blah (line 14)": "unknown key; expected one of name, data, model, search, training, budget, resources, "
        "tracking, storage",
    }
    assert 'got "float15"' in found["budget.precision (line 13)"]


def test_errors_come_in_the_order_of_the_file(load):
    lines = [
        int(place.split("line ")[1].rstrip(")"))
        for place in problems(load, SMALL + "a: 1\nb: 2\ntraining: {steps: 0}\n")
    ]
    assert lines == sorted(lines)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("search", "place", "sentence"),
    [
        ("{}", "search", "expected grid, points or a sampler, got none of them"),
        (
            "{grid: {clusters: [8], hidden: [8]}, sampler: {trials: 3, space: {clusters: {choices: [8]}}}}",
            "search",
            "expected grid and points, or a sampler, got both",
        ),
        (
            "{points: [{clusters: 8, hidden: 8}, {hidden: 8, clusters: 8}]}",
            "search",
            "expected each trial once, got K8-H8 again (search.points[1], first in search.points[0])",
        ),
        (
            "{grid: {clusters: [[8]], hidden: [8]}}",
            "search.grid.clusters[0]",
            "expected a finite number, a string, true or false, got [8]",
        ),
        (
            "{sampler: {trials: 3, space: {clusters: {low: 8, high: 4}, hidden: {choices: [8]}}}}",
            "search.sampler.space.clusters",
            "expected low < high, got low 8 and high 4",
        ),
        (
            "{sampler: {trials: 3, space: {clusters: {low: 8}, hidden: {choices: [8]}}}}",
            "search.sampler.space.clusters",
            'expected choices, or both low and high, got {"low": 8}',
        ),
        (
            "{sampler: {trials: 3, space: {clusters: {low: 8, high: 16, step: 0.5}, hidden: {choices: [8]}}}}",
            "search.sampler.space.clusters",
            "expected whole numbers for clusters, got step 0.5",
        ),
        (
            "{sampler: {trials: 3, space: {clusters: {choices: [8, 1]}, hidden: {choices: [8]}}}}",
            "search.sampler.space.clusters.choices[1]",
            "clusters must be an integer of at least 2, got 1",
        ),
        (
            "{sampler: {kind: cma, trials: 3, space: {clusters: {choices: [8]}, hidden: {choices: [8]}}}}",
            "search.sampler.kind",
            "expected 'tpe', 'gp', 'cmaes', 'nsga2', 'nsga3', 'qmc', 'random' or 'brute_force', got \"cma\"",
        ),
    ],
)
def test_errors_of_the_search(load, search, place, sentence):
    text = SMALL[: SMALL.index("search:")] + f"search: {search}\n"
    assert problems(load, text) == {f"{place} (line 5)": sentence}


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        ("{batch_size: 80, accumulate: 3}", "expected accumulate to divide batch_size 80, got 3"),
        ("{global_clip_norm: 1.0}", "expected clip_norm: null with global_clip_norm, got both"),
        ("{schedule: cosine, decay_rate: 0.5}", "expected no decay_rate with schedule: cosine, got a value"),
        ("{schedule: cosine, steps: 9, warmup_steps: 9}", "expected warmup_steps below steps 9, got 9"),
    ],
)
def test_training_keys_that_do_not_go_together(load, training, sentence):
    assert problems(load, f"{SMALL}training: {training}\n") == {"training (line 7)": sentence}


def test_a_hyperparameter_fixed_and_varied_is_an_error(load):
    text = SMALL.replace("{family: gated_netvlad}", "{family: gated_netvlad, options: {hidden: 3}}")
    assert problems(load, text) == {
        "search.grid.hidden (line 6)": "expected hidden either here or in model.options, got both"
    }


def test_an_unknown_family_names_the_known_ones(load):
    found = problems(load, SMALL.replace("gated_netvlad", "resnet"))
    assert "gated_netvlad" in found["model.family (line 4)"]


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b\n"])
def test_a_file_that_is_no_mapping_is_an_error(load, text):
    with pytest.raises(ConfigError, match="expected a mapping"):
        load(text)


def test_the_data_folder_comes_from_the_option_the_environment_the_file_or_the_files_place(load, tmp_path, monkeypatch):
    in_file = SMALL.replace("level: video", "level: video, folder: shards")
    assert load(SMALL).data.folder == str(tmp_path)
    assert load(in_file).data.folder == str(tmp_path / "shards")
    assert load(in_file).data.validate_patterns == (f"{tmp_path}/shards/v*.tfrecord",)
    monkeypatch.setenv("GAPSACK_DATA", "/from/environment")
    assert load(in_file).data.folder == "/from/environment"
    assert load(in_file, data_folder="gs://bucket/yt8m/").data.validate_patterns == ("gs://bucket/yt8m/v*.tfrecord",)
    monkeypatch.chdir(tmp_path)
    assert load(in_file, data_folder="here").data.folder == str(tmp_path / "here")


def test_a_storage_may_be_a_url(load):
    assert load(f"{SMALL}\nstorage: s3://bucket/runs\n").storage == "s3://bucket/runs"


def test_absolute_and_remote_patterns_ignore_the_folder(load):
    text = SMALL.replace('["v*.tfrecord"]', '["/a/v*", "gs://b/v*", "v*"]')
    assert load(text, data_folder="/d").data.validate_patterns == ("/a/v*", "gs://b/v*", "/d/v*")


def test_variables_in_data_paths_come_from_the_environment(load, monkeypatch):
    text = SMALL.replace("v*.tfrecord", "${SHARDS}/v*.tfrecord")
    assert problems(load, text) == {
        "data.validate[0] (line 3)": 'expected the environment variable SHARDS to be set, got "${SHARDS}/v*.tfrecord"'
    }
    assert load(text, keep_variables=True).data.validation == ("${SHARDS}/v*.tfrecord",)
    monkeypatch.setenv("SHARDS", "/shards")
    assert load(text).data.validate_patterns == ("/shards/v*.tfrecord",)


def test_overrides_stand_in_for_the_files_values(load):
    grid = load(SMALL, overrides={("name",): "other", ("resources", "concurrent"): 3, ("tracking", "uri"): None})
    assert (grid.name, grid.resources.concurrent, grid.tracking.uri) == ("other", 3, None)
    with pytest.raises(ConfigError, match="name"):
        load(SMALL, overrides={("name",): "no/slash"})


def test_the_grid_file_itself_need_not_be_in_the_working_folder(load, tmp_path, monkeypatch):
    monkeypatch.chdir(os.sep)
    assert load(SMALL).data.folder == str(tmp_path)


@pytest.mark.parametrize(
    ("pruning", "place", "sentence"),
    [
        ("{}", "training.pruning.sparsity", "expected a value, got none"),
        ("{sparsity: 1.0}", "training.pruning.sparsity", "expected a value less than 1, got 1.0"),
        ("{sparsity: 0.5, begin: 3}", "training.pruning.begin", "unknown key; did you mean begin_step?"),
        (
            "{sparsity: 0.5, begin_step: 80, end_step: 40}",
            "training.pruning",
            "expected begin_step < end_step <= steps 100, got begin_step 80 and end_step 40",
        ),
        (
            "{sparsity: 0.5, end_step: 101}",
            "training.pruning",
            "expected begin_step < end_step <= steps 100, got begin_step 10 and end_step 101",
        ),
    ],
)
def test_a_schedule_of_pruning_is_checked_in_its_place(load, pruning, place, sentence):
    [(found, told)] = problems(load, f"{SMALL}training: {{steps: 100, pruning: {pruning}}}").items()
    assert found.startswith(f"{place} (line ") and told == sentence


def test_the_steps_of_pruning_follow_from_the_length_of_the_training(load):
    given = "training: {steps: 1000, pruning: {sparsity: 0.75, every_steps: %s}}"
    assert load(SMALL + given % "null").training.pruning_schedule == PruningSchedule(0.75, 100, 700, 6)
    assert load(SMALL + given % "50").training.pruning_schedule == PruningSchedule(0.75, 100, 700, 50)
    assert load(SMALL).training.pruning_schedule is None
    shortest = load(SMALL + "training: {steps: 1, pruning: {sparsity: 0.75}}").training
    assert shortest.pruning_schedule == PruningSchedule(0.75, 0, 1, 1)


def test_a_precision_is_known_or_auto(load):
    assert load(SMALL + "training: {precisions: [auto, pruned75_int8]}").training.precisions[0] == "auto"
    [(place, told)] = problems(load, SMALL + "training: {precisions: [float16, automatic]}").items()
    assert place.startswith("training.precisions[1] (line ") or place.startswith("training.precisions.1 (line ")
    assert told.startswith("expected one of the precisions float32, ") and told.endswith("got 'automatic'; or auto")
