"""The tensors of gated NetVLAD, of Liu & Liu 2018 (arXiv 1808.06739), section 3.

Two NetVLADs (frame features of video and audio), a bottleneck, context gating, a mixture of experts and a second
context gating over the classes: 32 tensors, of which the four with a `group` hold 98 % of the bytes. Names are those of
the authors' TensorFlow 1 graph, so that their checkpoints load by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gapsack.models.blocks.common import SCOPE
from gapsack.models.tensors import Tensor, batch_norm, netvlad


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    K, H, V, M = (int(hyperparameters[name]) for name in ("clusters", "hidden", "classes", "mixtures"))
    rgb, audio = int(hyperparameters["rgb"]), int(hyperparameters["audio"])
    descriptor = rgb * K + audio * (K // 2)
    width = 2 * H  # of the representation that the classifier sees

    def matrix(name: str, rows: int, columns: int, fan: float, group: str | None = None) -> Tensor:
        return Tensor(f"{SCOPE}/{name}", (rows, columns), deviation=1 / math.sqrt(fan), group=group)

    def glorot(group: str, columns: int) -> Tensor:
        return replace(matrix(f"{group}/weights", width, columns, (width + columns) / 2, group), decayed=True)

    return (
        *netvlad(f"{SCOPE}/video_VLAD", rgb, K),
        *netvlad(f"{SCOPE}/audio_VLAD", audio, K // 2),
        matrix("hidden1_weights/hidden1_weights", descriptor, H, K, "hidden1"),
        *batch_norm(f"{SCOPE}/hidden1_bn", H),
        matrix("hidden2_weights/hidden2_weights", H, width, H),
        Tensor(f"{SCOPE}/hidden2_biases", (width,), deviation=0.01),
        matrix("gating_weights/gating_weights", width, width, width),
        *batch_norm(f"{SCOPE}/gating_bn", width),
        glorot("gates", V * (M + 1)),
        glorot("experts", V * M),
        Tensor(f"{SCOPE}/experts/biases", (V * M,)),
        matrix("gating_prob_weights", V, V, V, "gating_prob"),
        *batch_norm(f"{SCOPE}/gating_prob_bn", V),
    )
