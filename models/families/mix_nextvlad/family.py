"""The mixture of NeXtVLADs as a family: its hyperparameters, and how a model of them is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, nextvlad
from gapsack.models.families.mix_nextvlad.tensors import STREAMS, branch_scope, tensors
from gapsack.models.family import Family, ModelPart
from gapsack.models.hyperparameters import Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.mix_nextvlad.network import MixNeXtVLAD

    return MixNeXtVLAD(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return common.frame_activations(tensors(hyperparameters), hyperparameters, view, nextvlad.framewise(STREAMS))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return {
        **nextvlad.recognised(shapes, branch_scope(0), STREAMS),
        "branches": shapes[f"{common.SCOPE}/mix_weights/biases"][0],
    }


def _parts(hyperparameters: Mapping[str, Any]) -> tuple[ModelPart, ...]:
    """Its branches: each is trained to predict by itself as well."""
    common_names = {parameter.name for parameter in nextvlad.HYPERPARAMETERS}
    own = {name: value for name, value in hyperparameters.items() if name in common_names}
    return tuple(
        ModelPart(
            f"branch{index}",
            "nextvlad",
            own,
            tuple(tensor.name for tensor in nextvlad.branch(branch_scope(index), STREAMS, hyperparameters)),
        )
        for index in range(int(hyperparameters["branches"]))
    )


FAMILY = Family(
    name="mix_nextvlad",
    tasks=("youtube8m",),
    hyperparameters=(
        *nextvlad.HYPERPARAMETERS,
        Number("branches", "NeXtVLADs that are mixed", minimum=2, below=65, default=3),
        Number("temperature", "Tau, of the softmaxes that are compared", minimum=0.01, default=3.0, whole=False),
        Number("distillation", "lambda, of the divergence in the loss", minimum=0, default=9.0, whole=False),
        Number(
            "places", "frames of a video over which the mixing weights' mean is taken, missing ones too", default=300
        ),
    ),
    tensors=tensors,
    network=_network,
    short_names={"clusters": "K", "hidden": "H", "groups": "G", "branches": "B"},
    scope=common.SCOPE,
    whole_frames=lambda _: True,
    graph_bytes=lambda hyperparameters: 32 * 1024 * (1 + int(hyperparameters["branches"])),
    activations=_activations,
    recognise=_recognise,
    parts=_parts,
)
