"""The LSTM of the YouTube-8M starter code (Abu-El-Haija et al. 2016, arXiv 1609.08675).

Layers over all frames in order; a mixture of experts of what the top layer shows at the end. Names are those of the
starter's graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, recurrent
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor

ROOT = f"{common.SCOPE}/rnn"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    cells, width = int(hyperparameters["cells"]), common.frame_width(hyperparameters)
    layers = int(hyperparameters["layers"])
    return (
        *recurrent.stack(recurrent.lstm, ROOT, width, cells, layers),
        *common.classifier_tensors(hyperparameters, cells),
    )


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.recurrent import LSTMCell
    from gapsack.models.layers.recurrent_network import RecurrentNetwork

    return RecurrentNetwork(table, hyperparameters, seed, cell=LSTMCell, root=ROOT, classified=_classified)


def _classified(states: Any) -> list[Any]:
    """What the top layer shows."""
    return [states[-1][0]]


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return recurrent.activations(tensors(hyperparameters), hyperparameters, view)


def _more(hyperparameters: Mapping[str, Any]) -> tuple[Hyperparameter, ...]:
    return common.classifier_options(hyperparameters.get("classifier", "moe"))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return {
        **recurrent.recognised_lstm(shapes, ROOT),
        **recurrent.recognised_layers(shapes, ROOT),
        **common.recognised_classifier(shapes),
    }


FAMILY = Family(
    name="lstm",
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
