import pytest
from pydantic import ValidationError

from gapsack.models import sizes
from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.gpu_memory import gpu_share, training_bytes
from gapsack.sweep.cluster.resources import TrialResources
from gapsack.sweep.grid.schema import Grid, Resources, Training
from gapsack.sweep.grid.video_data import Data

DATA = Data.model_validate({"level": "frame", "validate": ["v*"]})
LARGE = {"clusters": 24, "hidden": 1440, "classes": 3862}
SMALL = {"clusters": 8, "hidden": 128, "classes": 3862}


def grid(**resources):
    return Grid.model_validate(
        {
            "name": "packing",
            "data": {"level": "frame", "validate": ["v*"]},
            "model": {"family": "gated_netvlad"},
            "search": {"grid": {"clusters": [8, 24], "hidden": [128, 1440]}},
            "resources": resources,
        }
    )


def test_weights_and_moments_count_exactly():
    one, two = (training_bytes("gated_netvlad", LARGE, DATA, Training(batch_size=size)) for size in (1, 2))
    without_activations = 2 * one - two
    weights = sizes.parameter_count("gated_netvlad", LARGE)
    assert without_activations == 5 * 4 * weights + 1.5 * 2**30
    averaged = training_bytes("gated_netvlad", LARGE, DATA, Training(batch_size=1, ema_decay=0.999))
    assert averaged - one == 4 * weights


def test_activations_grow_with_frames_and_shrink_with_accumulation():
    def at(**training):
        return training_bytes("gated_netvlad", SMALL, DATA, Training(**training))

    assert at(sample_frames=300) > at(sample_frames=30)
    assert at(batch_size=80, accumulate=4) == at(batch_size=20)
    # A frame takes its own values in float32 at the very least, in each video of the batch.
    assert at(sample_frames=300) - at(sample_frames=299) > 80 * 4 * 1152


def test_a_matrix_with_as_many_rows_as_a_frame_has_values_is_not_taken_for_a_framewise_one():
    def at(hidden):  # the classifier of hidden size 512 has 1024 rows, like rgb
        return training_bytes("gated_netvlad", SMALL | {"hidden": hidden}, DATA, Training())

    assert at(510) < at(512) < at(514)


def test_shares_are_rounded_up_so_that_what_is_packed_fits():
    assert gpu_share(1, 1000) == 0.01
    assert gpu_share(250, 1000) == 0.25
    assert gpu_share(251, 1000) == 0.26
    assert gpu_share(1000, 1000) == 1.0


def test_a_trial_larger_than_a_gpu_is_refused_by_name():
    resources = TrialResources(grid(gpus="auto", gpu_memory_gib=4))
    with pytest.raises(InputError, match=r"K24-H1440: expected a trial that fits a GPU of 4\.0 GiB"):
        resources.largest([{"clusters": 8, "hidden": 128}, {"clusters": 24, "hidden": 1440}])


def test_each_trial_gets_the_share_that_it_needs():
    resources = TrialResources(grid(gpus="auto", gpu_memory_gib=80, cpus=2))
    small, large = (resources.bundle({"clusters": k, "hidden": h}) for k, h in ((8, 128), (24, 1440)))
    assert 0 < small["GPU"] < large["GPU"] < 0.2
    assert small["CPU"] == large["CPU"] == 2
    assert resources.largest([{"clusters": 8, "hidden": 128}, {"clusters": 24, "hidden": 1440}]) == large


def test_fixed_shares_are_passed_on():
    assert TrialResources(grid(gpus=0.5)).bundle({}) == {"CPU": 1, "GPU": 0.5}
    assert TrialResources(grid(memory_gib=2)).bundle({}) == {"CPU": 1, "memory": 2 * 2**30}
    assert TrialResources(grid(gpus=0.5)).largest([]) == {"CPU": 1, "GPU": 0.5}


@pytest.mark.parametrize(
    "wrong", [{"gpus": 1.5}, {"gpus": 2}, {"gpus": 1, "gpu_memory_gib": 80}, {"gpus": "all"}, {"gpus": -1}]
)
def test_shares_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        Resources.model_validate(wrong)


def test_a_trial_takes_the_share_of_its_own_batch():
    varied = grid(gpus="auto", gpu_memory_gib=16)
    varied = Grid.model_validate(varied.to_dict() | {"search": {"points": [{"clusters": 8, "hidden": 128}]}})
    resources = TrialResources(varied)
    plain = {"clusters": 8, "hidden": 128}
    small, large = (resources.gpus({**plain, "training.batch_size": size}) for size in (8, 160))
    assert small < resources.gpus(plain) < large
    assert resources.largest([{**plain, "training.batch_size": 160}, plain])["GPU"] == large
