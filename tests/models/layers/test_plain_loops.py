"""Loops over plain tensors give what Keras' own loop gives, to the bit, in and outside of a graph."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gapsack.models import registry
from gapsack.models.layers.recurrent import plain_loops

FEATURES = {"rgb": 8, "audio": 4, "classes": 30}


@pytest.mark.parametrize("family", ["gru", "lstm_willow", "lstm_bidirect"])
def test_the_same_states_whatever_the_loop(family: str) -> None:
    rng = np.random.default_rng(0)
    model = registry.build(family, **FEATURES, cells=6)
    for variable in model.weights:
        variable.assign(rng.uniform(-1, 1, variable.shape))
    inputs = {
        "frames": tf.constant(rng.normal(size=(4, 20, 12)), tf.float32),
        "num_frames": tf.constant([1, 7, 20, 13], tf.int32),
    }
    expected = np.asarray(model(inputs))
    assert np.ptp(expected) > 0.1
    with plain_loops():
        np.testing.assert_array_equal(np.asarray(model(inputs)), expected)
        traced = tf.function(model).get_concrete_function(
            {"frames": tf.TensorSpec([None, 20, 12], tf.float32), "num_frames": tf.TensorSpec([None], tf.int32)}
        )
    np.testing.assert_allclose(np.asarray(traced(inputs)), expected, rtol=0, atol=2e-7)
    lists = [each.type for each in traced.graph.get_operations() if "TensorList" in each.type]
    assert not lists
    # Another function than the one that is traced already.
    other = tf.function(lambda given: model(given, training=False)).get_concrete_function(inputs)
    assert any("TensorList" in each.type for each in other.graph.get_operations()), "both loops are the same"
