"""NeXtVLAD as a family: its hyperparameters, and how a model of them is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, nextvlad
from gapsack.models.families.nextvlad.tensors import STREAMS, tensors
from gapsack.models.family import Family
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.nextvlad.network import NeXtVLAD

    return NeXtVLAD(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return common.frame_activations(tensors(hyperparameters), hyperparameters, view, nextvlad.framewise(STREAMS))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return nextvlad.recognised(shapes, common.SCOPE, STREAMS)


FAMILY = Family(
    name="nextvlad",
    tasks=("youtube8m",),
    hyperparameters=nextvlad.HYPERPARAMETERS,
    tensors=tensors,
    network=_network,
    short_names={"clusters": "K", "hidden": "H", "groups": "G"},
    scope=common.SCOPE,
    whole_frames=lambda _: True,
    activations=_activations,
    recognise=_recognise,
)
