"""Families with one logistic layer over the mean of a video's frames: `layers.mean.MeanNetwork`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common
from gapsack.models.family import Family
from gapsack.models.tensors import Shapes, Tensor


def logistic_family(name: str, *, frames_of_norm_1: bool) -> Family:
    """The family of that name; the mean is one of frames with norm 1 each, or has norm 1 itself."""

    def network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
        from gapsack.models.layers.mean import MeanNetwork

        return MeanNetwork(table, hyperparameters, seed, frames_of_norm_1=frames_of_norm_1)

    return Family(
        name=name,
        tasks=("youtube8m",),
        hyperparameters=(common.CLASSES, common.RGB, common.OPTIONAL_AUDIO),
        tensors=_tensors,
        network=network,
        scope=common.SCOPE,
        whole_frames=lambda _: True,
        recognise=_recognise,
    )


def _tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    return common.logistic(common.SCOPE, common.frame_width(hyperparameters), int(hyperparameters["classes"]))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    width, classes = shapes[f"{common.SCOPE}/fully_connected/weights"]
    return {"classes": classes, **common.recognised_width(width)}
