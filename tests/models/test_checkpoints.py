import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import checkpoints, registry
from gapsack.selection.errors import InputError

SMALL = {"clusters": 4, "hidden": 3, "classes": 5, "mixtures": 2, "rgb": 6, "audio": 2}


def test_weights_go_out_and_in_again():
    first, second = (registry.build("gated_netvlad", seed=seed, **SMALL) for seed in (0, 1))
    weights = checkpoints.reference_weights(first)
    checkpoints.load_reference_weights(second, weights)
    for name, values in checkpoints.reference_weights(second).items():
        assert_array_equal(values, weights[name])


def test_copies_do_not_follow_the_model():
    model = registry.build("gated_netvlad", **SMALL)
    weights = checkpoints.reference_weights(model)
    before = weights["tower/gates/weights"].copy()
    checkpoints.load_reference_weights(model, {name: values + 1 for name, values in weights.items()})
    assert_array_equal(weights["tower/gates/weights"], before)


def test_every_wrong_tensor_is_named_and_nothing_is_loaded():
    model = registry.build("gated_netvlad", **SMALL)
    before = checkpoints.reference_weights(model)
    wrong = {name: values + 1 for name, values in before.items()}
    del wrong["tower/hidden2_biases"]
    wrong["tower/surplus"] = np.zeros(3)
    wrong["tower/gates/weights"] = wrong["tower/gates/weights"].T
    with pytest.raises(InputError) as caught:
        checkpoints.load_reference_weights(model, wrong)
    message = str(caught.value)
    assert "tower/hidden2_biases is missing" in message
    assert "tower/surplus is unknown" in message
    assert "tower/gates/weights has shape (15, 6), expected (6, 15)" in message
    for name, values in checkpoints.reference_weights(model).items():
        assert_array_equal(values, before[name])


def test_files_hold_the_arrays_and_no_leftovers(tmp_path):
    weights = {"tower/a/b": np.arange(6, dtype=np.float32).reshape(2, 3), "c": np.float64(2.5)}
    checkpoints.write_weights(tmp_path / "w.npz", weights)
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]
    read = checkpoints.read_weights(tmp_path / "w.npz")
    assert list(read) == list(weights)
    for name, values in weights.items():
        assert read[name].dtype == values.dtype
        assert_array_equal(read[name], values)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.npz"
    checkpoints.write_weights(path, {"a": np.ones(2)})
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoints.write_weights(path, {"a": np.array([object()])})
    assert [child.name for child in tmp_path.iterdir()] == ["w.npz"]
    assert_array_equal(checkpoints.read_weights(path)["a"], np.ones(2))


def test_a_file_that_is_missing_damaged_or_no_archive_is_named(tmp_path):
    whole = tmp_path / "whole.npz"
    checkpoints.write_weights(whole, {"a": np.ones(100, np.float32)})
    content = whole.read_bytes()
    path = tmp_path / "broken.npz"
    flipped = bytearray(content)
    flipped[300] ^= 1  # one bit of a value: the archive's checksum tells
    for damaged, found in [
        (None, "it is not there"),
        (b"", "got an empty file"),
        (b"PK\x03\x04 cut short", "got one whose end is missing or damaged"),
        (content[: len(content) // 2], "got one whose end is missing or damaged"),
        (bytes(flipped), "expected the plain array a; got damaged bytes .Bad CRC-32"),
    ]:
        if damaged is not None:
            path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"broken\.npz.*{found}"):
            checkpoints.read_weights(path)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_running_average_is_the_mean(count, seed):
    generator = np.random.default_rng(seed)
    stack = generator.normal(size=(count, 3, 2)).astype(np.float32)
    average = checkpoints.RunningAverage()
    for values in stack:
        average.add({"a": values, "b": values[0]})
    mean = average.mean()
    assert mean["a"].dtype == np.float32
    assert_allclose(mean["a"], stack.astype(np.float64).mean(0), rtol=1e-6, atol=1e-7)
    assert_allclose(mean["b"], stack[:, 0].astype(np.float64).mean(0), rtol=1e-6, atol=1e-7)


def test_an_average_refuses_nothing_and_strangers():
    average = checkpoints.RunningAverage()
    with pytest.raises(InputError, match="got none"):
        average.mean()
    average.add({"a": np.ones(3)})
    for stranger in ({"b": np.ones(3)}, {"a": np.ones(2)}):
        with pytest.raises(InputError, match="other names or shapes"):
            average.add(stranger)
    assert_array_equal(average.mean()["a"], np.ones(3))
