"""The GRU of the 2017 winners (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Layers over all frames in order; a mixture of experts of the state of every layer. Names are those of the authors'
graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, recurrent
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor

ROOT = f"{common.SCOPE}/RNN/rnn"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    cells, width = int(hyperparameters["cells"]), common.frame_width(hyperparameters)
    layers = int(hyperparameters["layers"])
    return (
        *recurrent.stack(recurrent.gru, ROOT, width, cells, layers),
        *common.classifier_tensors(hyperparameters, cells * layers),
    )


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.recurrent import GRUCell
    from gapsack.models.layers.recurrent_network import RecurrentNetwork

    return RecurrentNetwork(table, hyperparameters, seed, cell=GRUCell, root=ROOT, classified=_classified)


def _classified(states: Any) -> list[Any]:
    """The state of every layer."""
    return [hidden for (hidden,) in states]


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return recurrent.activations(tensors(hyperparameters), hyperparameters, view)


def _more(hyperparameters: Mapping[str, Any]) -> tuple[Hyperparameter, ...]:
    return common.classifier_options(hyperparameters.get("classifier", "moe"))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return {
        **recurrent.recognised_gru(shapes, ROOT),
        **recurrent.recognised_layers(shapes, ROOT),
        **common.recognised_classifier(shapes),
    }


FAMILY = Family(
    name="gru",
    tasks=("youtube8m",),
    hyperparameters=(*recurrent.HYPERPARAMETERS, recurrent.LAYERS, common.classifier("moe")),
    more=_more,
    tensors=tensors,
    network=_network,
    short_names={"cells": "N", "layers": "L"},
    scope=common.SCOPE,
    whole_frames=lambda _: True,
    graph_bytes=lambda hyperparameters: recurrent.graph_bytes(int(hyperparameters["layers"])),
    activations=_activations,
    recognise=_recognise,
)
