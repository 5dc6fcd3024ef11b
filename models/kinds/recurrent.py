"""Families of recurrent layers over the frames: `layers.recurrent_network.RecurrentNetwork`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gapsack.models.blocks import common, recurrent
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor

Hyperparameters = Mapping[str, Any]

WAYS = ("fw", "bw")
LOOPS_BOTH_WAYS = 3
"""Of a network that runs both ways: one each, and the layer above them."""


@dataclass(frozen=True)
class RecurrentKind:
    """What is a family's own.

    Attributes:
        name: Of the family.
        cell: Of all layers.
        root: Scope of the layers' tensors.
        classified: (states of every layer, lowest first) -> those that the classifier sees.
        states: How many states of a layer those are, of all layers or of the top one.
        of_all_layers: Whether the classifier sees every layer's.
        both_ways: Root of a first layer that runs both ways, half of the cells each, below a single layer; None for
            as many layers as asked for.
        sampled: Whether frames are sampled unless all are asked for; otherwise all are taken.
        classifier: By default.
    """

    name: str
    cell: recurrent.CellKind
    root: str
    classified: Callable[[Any], list[Any]]
    states: int = 1
    of_all_layers: bool = False
    both_ways: str | None = None
    sampled: bool = False
    classifier: Literal["moe", "logistic"] = "moe"

    @property
    def family(self) -> Family:
        """The family."""
        layers = () if self.both_ways else (recurrent.LAYERS,)
        frames = (common.FRAMES,) if self.sampled else ()
        return Family(
            name=self.name,
            tasks=("youtube8m",),
            hyperparameters=(*recurrent.HYPERPARAMETERS, *layers, *frames, common.classifier(self.classifier)),
            more=self._more,
            tensors=self._tensors,
            network=self._network,
            short_names={"cells": "N"} if self.both_ways else {"cells": "N", "layers": "L"},
            scope=common.SCOPE,
            whole_frames=common.takes_all_frames if self.sampled else lambda _: True,
            graph_bytes=lambda hyperparameters: recurrent.graph_bytes(self._loops(hyperparameters)),
            activations=self._activations,
            recognise=self._recognise,
        )

    def _loops(self, hyperparameters: Hyperparameters) -> int:
        return LOOPS_BOTH_WAYS if self.both_ways else int(hyperparameters["layers"])

    def _tensors(self, hyperparameters: Hyperparameters) -> tuple[Tensor, ...]:
        cells, width = int(hyperparameters["cells"]), common.frame_width(hyperparameters)
        layers = int(hyperparameters.get("layers", 1))
        tensors: list[Tensor] = []
        if self.both_ways is not None:
            half = cells // 2
            for way in WAYS:
                tensors += recurrent.stack(self.cell, f"{self.both_ways}/{way}", width, half, 1)
            width = 2 * half
        return (
            *tensors,
            *recurrent.stack(self.cell, self.root, width, cells, layers),
            *common.classifier_tensors(hyperparameters, self.states * cells * (layers if self.of_all_layers else 1)),
        )

    def _network(self, table: tuple[Tensor, ...], hyperparameters: Hyperparameters, seed: int) -> Any:
        from gapsack.models.layers.recurrent import GRUCell, LSTMCell
        from gapsack.models.layers.recurrent_network import RecurrentNetwork

        return RecurrentNetwork(
            table,
            hyperparameters,
            seed,
            cell=LSTMCell if self.cell == "lstm" else GRUCell,
            root=self.root,
            classified=self.classified,
            both_ways=self.both_ways,
        )

    def _activations(self, hyperparameters: Hyperparameters, view: View) -> int:
        return common.frame_activations(self._tensors(hyperparameters), hyperparameters, view, ("/kernel",))

    def _more(self, hyperparameters: Hyperparameters) -> tuple[Hyperparameter, ...]:
        return common.classifier_options(hyperparameters.get("classifier", self.classifier))

    def _recognise(self, shapes: Shapes) -> dict[str, Any]:
        if self.both_ways is None:
            found = recurrent.recognised(self.cell, shapes, self.root) | recurrent.recognised_layers(shapes, self.root)
        else:
            found = recurrent.recognised(self.cell, shapes, f"{self.both_ways}/{WAYS[0]}")
            found["cells"] = recurrent.recognised_cells(self.cell, shapes, self.root)
        return {**found, **common.recognised_classifier(shapes)}
