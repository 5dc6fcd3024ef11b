"""The mixture of experts of the YouTube-8M starter code (Abu-El-Haija et al. 2016, arXiv 1609.08675).

Of the mean of a video's features, of norm 1: what video-level data hold; probabilities may gate each other. Names are
those of the starter's graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common
from gapsack.models.family import Family
from gapsack.models.tensors import Shapes, Tensor


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    return common.classifier_tensors(hyperparameters, common.frame_width(hyperparameters))


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.mean import MeanNetwork

    return MeanNetwork(table, hyperparameters, seed)


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return {
        **common.recognised_experts(shapes),
        **common.recognised_probability_gating(shapes),
        **common.recognised_width(shapes[f"{common.SCOPE}/experts/weights"][0]),
    }


FAMILY = Family(
    name="moe",
    tasks=("youtube8m",),
    hyperparameters=(
        common.mixtures(2),
        common.probability_gating(False),
        common.CLASSES,
        common.RGB,
        common.OPTIONAL_AUDIO,
    ),
    tensors=tensors,
    network=_network,
    short_names={"mixtures": "M"},
    scope=common.SCOPE,
    whole_frames=lambda _: True,
    recognise=_recognise,
)
