"""NeXtVLAD (Lin, Xiao and Fan 2018, arXiv 1811.05014): hyperparameters and tensors.

Frames are expanded and split into groups that share their centres, so that descriptors are a few times shorter than a
NetVLAD's. Names are those of the authors' graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, nextvlad
from gapsack.models.family import Family, activations_of
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Tensor

STREAMS = ("video_VLAD", "audio_VLAD")
FRAMEWISE = ("fully_connected/weights", "fully_connected_1/weights", "cluster_weights")


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters.

    Raises:
        InputError: Some do not go together, such as widths that groups do not divide.
    """
    nextvlad.check(hyperparameters)
    return tuple(nextvlad.branch(common.SCOPE, STREAMS, hyperparameters))


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.nextvlad.network import NeXtVLAD

    return NeXtVLAD(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    """Frames, what every frame becomes, and what goes into and out of the other matrices."""
    framewise = [f"{common.SCOPE}/{stream}/{name}" for stream in STREAMS for name in FRAMEWISE]
    frames = view.sample_frames
    matrices = activations_of(tensors(hyperparameters), frames=frames, framewise=framewise)
    return frames * common.frame_width(hyperparameters) + matrices


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
)
