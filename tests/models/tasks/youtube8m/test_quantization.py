"""Bytes become the same features wherever they are dequantized: outside the graph, in it, and in a model."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models.graph.formats import metagraph
from gapsack.models.layers.frames import split_frames
from gapsack.models.tasks.youtube8m import float_frames, graph

BYTES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
NUM_FRAMES = np.array([11], np.int32)


def test_every_byte_is_the_same_feature_in_numpy_in_the_graph_and_in_models() -> None:
    expected = BYTES.astype(np.float32) * np.float32(4 / 255) + np.float32(4 / 512 - 2)
    expected[:, 11:] = 0
    assert_array_equal(metagraph.dequantized(BYTES, NUM_FRAMES), expected)
    assert_array_equal(graph.dequantize(tf.constant(BYTES), tf.constant(NUM_FRAMES)), expected)
    assert_array_equal(np.asarray(float_frames.dequantized(BYTES, NUM_FRAMES)), expected)


def test_unit_frames_are_those_features_over_their_norm() -> None:
    whole = BYTES.astype(np.float64) * 4 / 255 + 4 / 512 - 2
    expected = whole / np.linalg.norm(whole, axis=-1, keepdims=True)
    parts = split_frames(BYTES, 10, "float32")
    got = np.concatenate([np.asarray(part.codes * part.gain + part.shift) for part in parts], axis=-1)
    assert_allclose(got, expected, atol=1e-6)
