"""The bidirectional GRU of the 2018 winners (Skalic and Austin 2018).

Half of the cells each way over all frames, then a layer of all cells; a logistic classifier of its state. Names are
those of the authors' graph.
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
BOTH_WAYS = f"{common.SCOPE}/bidirectional_rnn"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    cells, width = int(hyperparameters["cells"]), common.frame_width(hyperparameters)
    half = cells // 2
    ways = [recurrent.stack(recurrent.gru, f"{BOTH_WAYS}/{way}", width, half, 1) for way in ("fw", "bw")]
    return (
        *(tensor for way in ways for tensor in way),
        *recurrent.stack(recurrent.gru, ROOT, 2 * half, cells, 1),
        *common.classifier_tensors(hyperparameters, cells),
    )


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.recurrent import GRUCell
    from gapsack.models.layers.recurrent_network import RecurrentNetwork

    return RecurrentNetwork(
        table, hyperparameters, seed, cell=GRUCell, root=ROOT, classified=_classified, both_ways=BOTH_WAYS
    )


def _classified(states: Any) -> list[Any]:
    """The state of the top layer."""
    return [states[-1][0]]


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return recurrent.activations(tensors(hyperparameters), hyperparameters, view)


def _more(hyperparameters: Mapping[str, Any]) -> tuple[Hyperparameter, ...]:
    return common.classifier_options(hyperparameters.get("classifier", "logistic"))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return {
        **recurrent.recognised_gru(shapes, f"{BOTH_WAYS}/fw"),
        "cells": shapes[f"{recurrent.layer_scope(ROOT, 0)}/gru_cell/candidate/bias"][0],
        **common.recognised_classifier(shapes),
    }


FAMILY = Family(
    name="gru_bidirect",
    tasks=("youtube8m",),
    hyperparameters=(*recurrent.HYPERPARAMETERS, common.classifier("logistic")),
    more=_more,
    tensors=tensors,
    network=_network,
    short_names={"cells": "N"},
    scope=common.SCOPE,
    whole_frames=lambda _: True,
    graph_bytes=lambda _: recurrent.graph_bytes(3),
    activations=_activations,
    recognise=_recognise,
)
