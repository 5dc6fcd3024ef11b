import signal
import subprocess
import sys

import numpy as np
import pytest

from gapsack.selection.errors import DamagedFileError
from gapsack.sweep.trial.trial_checkpoints import Checkpoints, TrialProgress


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", "one")


def test_a_state_comes_back_bit_by_bit(checkpoints):
    rng = np.random.default_rng(0)
    trainer = {"tower/w": rng.normal(size=(3, 2)).astype(np.float32), "step": np.int64(7)}
    row = {"step": 5, "loss": 1 / 3, "gap": None, "learning_rate": 1e-4}
    progress = TrialProgress(7, {"start": [1, 2]}, {"good": 3}, [row], 0.1 + 0.2, 2, 3.5, 0.25, settled=False)
    checkpoints.write_state(progress, trainer)
    found, arrays = checkpoints.read_state()
    assert found == progress
    assert arrays.keys() == trainer.keys()
    for name, array in trainer.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_there_is_no_state_before_the_first(checkpoints):
    assert checkpoints.read_state() is None


def test_only_the_last_weights_are_kept(checkpoints):
    for step in (5, 100, 20):
        checkpoints.write_weights(step, {"w": np.float32([step])})
    assert checkpoints.steps() == [5, 20, 100]
    checkpoints.keep_last(2)
    assert checkpoints.steps() == [20, 100]
    np.testing.assert_array_equal(checkpoints.read_weights(20)["w"], [20])
    checkpoints.keep_last(5)
    assert checkpoints.steps() == [20, 100]


def test_scores_of_averages_come_back(checkpoints):
    assert checkpoints.read_scores() == {}
    checkpoints.write_scores({(1, 2): 0.1 + 0.2, (3, 3): 0.5})
    assert checkpoints.read_scores() == {(1, 2): 0.1 + 0.2, (3, 3): 0.5}


def test_files_of_another_training_are_deleted(checkpoints, tmp_path):
    checkpoints.write_weights(5, {"w": np.float32([1])})
    checkpoints.write_state(TrialProgress(5), {})
    assert Checkpoints(tmp_path / "checkpoints", "one").steps() == [5]
    other = Checkpoints(tmp_path / "checkpoints", "two")
    assert other.steps() == []
    assert other.read_state() is None


def test_half_written_files_are_cleared_away(checkpoints, tmp_path):
    part = tmp_path / "checkpoints" / ".state.npz.1234.part"
    part.write_bytes(b"half")
    Checkpoints(tmp_path / "checkpoints", "one")
    assert not part.exists()


def test_scores_by_step_are_those_that_were_measured():
    rows = [{"step": 5, "gap": None}, {"step": 10, "gap": 0.25}]
    assert TrialProgress(curve=rows).scores() == {10: 0.25}


def test_a_worker_that_is_killed_while_it_starts_leaves_the_checkpoints(checkpoints, tmp_path):
    checkpoints.write_weights(5, {"w": np.float32([1])})
    checkpoints.write_state(TrialProgress(5), {})
    code = (
        "import pathlib, resource, signal, sys\n"
        "from gapsack.sweep.trial.trial_checkpoints import Checkpoints\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # the first byte that is written to a file kills\n"
        "checkpoints = Checkpoints(pathlib.Path(sys.argv[1]), 'one')\n"
        "checkpoints.write_weights(6, {})\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "checkpoints")], check=False)
    assert killed.returncode == -signal.SIGXFSZ
    again = Checkpoints(tmp_path / "checkpoints", "one")
    assert again.steps() == [5]
    assert again.read_state()[0].step == 5


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"nothing"])
def test_a_damaged_checkpoint_is_told_with_its_file_and_the_way_on(checkpoints, tmp_path, content):
    checkpoints.write_weights(5, {"w": np.float32([1])})
    checkpoints.write_state(TrialProgress(5), {"w": np.float32([1])})
    for name, read in (
        ("state.npz", checkpoints.read_state),
        ("weights-000000005.npz", lambda: checkpoints.read_weights(5)),
    ):
        file = tmp_path / "checkpoints" / name
        file.write_bytes(content)
        if name == "state.npz" or not content.startswith(b"PK"):
            with pytest.raises(DamagedFileError, match=r"delete .*checkpoints to have the trial trained") as caught:
                read()
            assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "[[1, 2]]", '[[1, 2, "0.5"]]', "[[1, 2, NaN]]"])
def test_scores_that_are_damaged_are_measured_again(checkpoints, tmp_path, content):
    checkpoints.write_scores({(1, 2): 0.5})
    (tmp_path / "checkpoints" / "averaging.json").write_text(content)
    assert checkpoints.read_scores() == {}


def test_a_mark_that_is_no_file_belongs_to_another_training(tmp_path):
    (tmp_path / "checkpoints" / "fingerprint").mkdir(parents=True)
    assert Checkpoints(tmp_path / "checkpoints", "one").steps() == []
