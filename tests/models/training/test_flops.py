"""FLOPs against what is counted by hand from the layers' shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gapsack.models import registry, sizes
from gapsack.models.tasks import Task
from gapsack.models.tasks.dense import DenseTask
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.training import Recipe, Trainer

CLASSES, RGB, AUDIO, FRAMES = 5, 16, 8, 7
WIDTH = RGB + AUDIO
MIXTURES = 2
FRAME_TASK = YouTube8M("frame", CLASSES, rgb=RGB, audio=AUDIO)
VIDEO_TASK = YouTube8M("video", CLASSES, rgb=RGB, audio=AUDIO)
BUILDERS = Path(__file__).parents[1] / "families/keras_model/builders.py"


def flops(family: str, task: Task = FRAME_TASK, **options: Any) -> int | None:
    chosen = registry.family(family)
    complete = chosen.validate({**chosen.from_data(task.dimensions), **options})
    trainer = Trainer(registry.build(family, **complete), Recipe(batch_size=2))
    try:
        before = trainer.model.kernels
        found = trainer.flops(task.model_inputs(chosen.view(complete, FRAMES)))
        assert trainer.model.kernels is before
        return found
    finally:
        trainer.close()


def experts(width: int, gated: bool = False) -> int:
    """Multiply-adds of a mixture of experts, and of the gating of its probabilities."""
    return width * CLASSES * (2 * MIXTURES + 1) + (CLASSES**2 if gated else 0)


def netvlad(features: int, clusters: int) -> int:
    """Assignment of every frame, and frames summed by cluster."""
    return 2 * FRAMES * features * clusters


def lstm(width: int, cells: int) -> int:
    return FRAMES * (width + cells) * 4 * cells


def gru(width: int, cells: int) -> int:
    return FRAMES * (width + cells) * 3 * cells


def test_of_a_mixture_of_experts():
    assert flops("moe", VIDEO_TASK, mixtures=MIXTURES) == 2 * experts(WIDTH)


def test_of_a_gated_netvlad():
    clusters, hidden = 4, 6
    pooled = netvlad(RGB, clusters) + netvlad(AUDIO, clusters // 2)
    descriptor = RGB * clusters + AUDIO * (clusters // 2)
    wide = 2 * hidden  # after the hidden layer
    by_hand = pooled + descriptor * hidden + hidden * wide + wide**2 + experts(wide, gated=True)
    assert flops("gated_netvlad", clusters=clusters, hidden=hidden, mixtures=MIXTURES) == 2 * by_hand


def test_of_a_deep_bag_of_frames():
    clusters, hidden = 4, 6
    by_hand = FRAMES * WIDTH * clusters + clusters * hidden + experts(hidden)
    assert flops("dbof", clusters=clusters, hidden=hidden, mixtures=MIXTURES) == 2 * by_hand


def test_a_recurrent_layer_counts_as_often_as_it_turns():
    cells = 3  # the classifier of an LSTM sees its last layer, that of a GRU both
    by_hand = {
        "lstm": lstm(WIDTH, cells) + lstm(cells, cells) + experts(cells),
        "gru": gru(WIDTH, cells) + gru(cells, cells) + experts(2 * cells),
    }
    for family, count in by_hand.items():
        assert flops(family, cells=cells, layers=2, mixtures=MIXTURES) == 2 * count, family


BY_BUILDER: dict[str, Callable[[], int]] = {
    "dense": lambda: WIDTH * 64 + 64 * CLASSES,
    "convolution": lambda: FRAMES * 3 * WIDTH * 16 + 16 * CLASSES,
    "lstm": lambda: 2 * lstm(WIDTH, 8) + 16 * CLASSES,
    # Keys, queries, values and output of two heads of 8; scores of all pairs, and values summed by them.
    "attention": lambda: 4 * FRAMES * WIDTH * 16 + 2 * FRAMES**2 * 16 + WIDTH * CLASSES,
}


@pytest.mark.parametrize("builder", BY_BUILDER)
def test_of_ones_own_keras_model(builder):
    assert flops("keras_model", builder=f"{BUILDERS}:{builder}") == 2 * BY_BUILDER[builder]()


OWN = """
from keras import layers, ops


def grouped(inputs, classes):
    x = layers.Reshape((8, 8, 4))(inputs["image"])
    x = layers.Conv2D(6, 3, strides=2, padding="same", groups=2)(x)  # [4, 4, 6]
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)  # [4, 4, 12]
    x = layers.Conv2DTranspose(3, 2, strides=2)(x)  # [8, 8, 3]
    return layers.Dense(classes, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))


def spectral(inputs, classes):
    real, imaginary = ops.rfft(inputs["image"])
    return layers.Dense(classes, activation="sigmoid")(real + imaginary)
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    task = DenseTask((("image", (256,)),), CLASSES)
    return lambda name: flops("keras_model", task, builder=f"{path}:{name}")


def test_convolutions_in_groups_by_depth_and_transposed(own):
    by_group, by_depth, transposed = 4 * 4 * 6 * 9 * 2, 4 * 4 * 12 * 9, 4 * 4 * 12 * 4 * 3
    assert own("grouped") == 2 * (by_group + by_depth + transposed + 3 * CLASSES)


def test_what_multiplies_in_ways_that_are_not_known_is_not_counted(own):
    assert own("spectral") is None


@pytest.mark.parametrize(
    ("family", "task", "options"),
    [
        ("logistic", VIDEO_TASK, {}),
        ("frame_level_logistic", FRAME_TASK, {}),
        ("soft_dbof", FRAME_TASK, {"clusters": 8, "hidden": 6}),
        ("nextvlad", FRAME_TASK, {"clusters": 4, "hidden": 8, "groups": 2, "unwhiten": False}),
        ("netfv", FRAME_TASK, {"clusters": 8, "hidden": 6}),
        ("lstm_bidirect", FRAME_TASK, {"cells": 4}),
    ],
)
def test_other_families_are_counted_too(family, task, options):
    """Every matrix is met at least once, and at most by every frame, with as much again for pooling."""
    chosen = registry.family(family)
    complete = chosen.validate({**chosen.from_data(task.dimensions), **options})
    matrices = [tensor.shape for tensor in sizes.tensors(family, complete) if len(tensor.shape) == 2]
    found = flops(family, task, **options)
    assert found is not None
    once = 2 * sum(rows * columns for rows, columns in matrices)
    assert once <= found <= 3 * FRAMES * once
