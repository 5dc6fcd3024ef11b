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
from gapsack.models.tensors import Tensor, batch_norm

STREAMS = ("video_vlad", "audio_vlad")


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
