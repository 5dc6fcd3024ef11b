"""NeXtVLAD (Lin, Xiao and Fan 2018, arXiv 1811.05014): hyperparameters and tensors.

Frames are expanded and split into groups that share their centres, so that descriptors are a few times shorter than a
NetVLAD's. Names are those of the authors' graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, nextvlad
from gapsack.models.tensors import Tensor

STREAMS = ("video_VLAD", "audio_VLAD")


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters.

    Raises:
        InputError: Some do not go together, such as widths that groups do not divide.
    """
    nextvlad.check(hyperparameters)
    return tuple(nextvlad.branch(common.SCOPE, STREAMS, hyperparameters))
