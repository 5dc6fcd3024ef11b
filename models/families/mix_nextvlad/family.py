"""A mixture of NeXtVLADs with on-the-fly distillation (Lin, Xiao and Fan 2018, arXiv 1811.05014).

Branches share nothing; their logits are mixed by weights that follow from the mean of the frames. In training every
branch has a loss of its own and is drawn to the mixture, and the mixture to the branches. Names are those of the
authors' graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, nextvlad
from gapsack.models.family import Family, activations_of
from gapsack.models.hyperparameters import Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Tensor, batch_norm

STREAMS = ("video_vlad", "audio_vlad")
FRAMEWISE = ("fully_connected/weights", "fully_connected_1/weights", "cluster_weights")


def branch_scope(index: int) -> str:
    """Of the tensors of a branch."""
    return f"{common.SCOPE}/branch_{index}"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters.

    Raises:
        InputError: Some do not go together, such as widths that groups do not divide.
    """
    nextvlad.check(hyperparameters)
    branches, width = int(hyperparameters["branches"]), common.frame_width(hyperparameters)
    own = [nextvlad.branch(branch_scope(index), STREAMS, hyperparameters) for index in range(branches)]
    return (
        *(tensor for branch in own for tensor in branch),
        *batch_norm(f"{common.SCOPE}/mix_weights_bn", width),
        Tensor(f"{common.SCOPE}/mix_weights/weights", (width, branches), deviation=math.sqrt(2 / (width + branches))),
        Tensor(f"{common.SCOPE}/mix_weights/biases", (branches,)),
    )


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.mix_nextvlad.network import MixNeXtVLAD

    return MixNeXtVLAD(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    """Frames, what every frame becomes, and what goes into and out of the other matrices."""
    scopes = [f"{branch_scope(index)}/{stream}" for index in range(hyperparameters["branches"]) for stream in STREAMS]
    framewise = [f"{scope}/{name}" for scope in scopes for name in FRAMEWISE]
    frames = view.sample_frames
    matrices = activations_of(tensors(hyperparameters), frames=frames, framewise=framewise)
    return frames * common.frame_width(hyperparameters) + matrices


FAMILY = Family(
    name="mix_nextvlad",
    tasks=("youtube8m",),
    hyperparameters=(
        *nextvlad.HYPERPARAMETERS,
        Number("branches", "NeXtVLADs that are mixed", minimum=2, default=3),
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
)
