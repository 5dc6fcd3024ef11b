import os

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.ray import check_resources, shortage, worker_environment
from gapsack.sweep.grid.schema import Resources


def test_threads_follow_from_the_cpus_of_a_trial_alone():
    environment = worker_environment(Resources(cpus=3), {"OMP_NUM_THREADS": "64"})
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["TF_NUM_INTRAOP_THREADS"] == "3"
    assert worker_environment(Resources(cpus=0.5), {})["OMP_NUM_THREADS"] == "1"


def test_the_backend_is_the_users_choice():
    assert worker_environment(Resources(), {})["KERAS_BACKEND"] == "tensorflow"
    assert worker_environment(Resources(), {"KERAS_BACKEND": "jax"})["KERAS_BACKEND"] == "jax"


def test_no_process_takes_a_whole_gpu():
    environment = worker_environment(Resources(gpus=0.25), os.environ)
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


HERE = {"CPU": 2.0, "memory": 8 * 2.0**30}


@pytest.mark.parametrize(
    ("needed", "message"),
    [
        ({"CPU": 3}, "got 3 CPUs asked for and 2 on this machine"),
        ({"CPU": 1, "GPU": 0.5}, "got 0.5 GPUs asked for and 0 on this machine"),
        ({"CPU": 1, "memory": 9 * 2**30}, "got 9 GiB of memory asked for and 8 on this machine"),
    ],
)
def test_a_trial_larger_than_the_machine_is_refused(needed, message):
    with pytest.raises(InputError, match=message):
        check_resources(needed, [HERE], None)


def test_a_trial_that_just_fits_is_not_refused():
    check_resources({"CPU": 2, "memory": 8 * 2**30}, [HERE], None)


def test_every_node_is_looked_at_by_itself():
    """What fits the sum of a cluster, and no node, would wait for ever."""
    small, gpu = {"CPU": 4.0}, {"CPU": 1.0, "GPU": 1.0}
    assert shortage({"CPU": 4}, [small, gpu]) is None
    assert shortage({"CPU": 5}, [small, gpu]) == "5 CPUs asked for and 4"
    assert shortage({"CPU": 2, "GPU": 1}, [small, gpu]) == "2 CPUs and 1 GPUs asked for, and each but not together"
    assert shortage({"GPU": 1}, []) == "1 GPUs asked for and 0"
    with pytest.raises(InputError, match="got 5 CPUs asked for and 4 on any node of the cluster at head:1"):
        check_resources({"CPU": 5}, [small, gpu], "head:1")
