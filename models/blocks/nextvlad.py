"""Tensors of a NeXtVLAD (Lin et al. 2018, arXiv 1811.05014), by the names of the authors' graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gapsack.models.blocks import common
from gapsack.models.hyperparameters import Flag, Hyperparameter, Number
from gapsack.models.tensors import Shapes, Tensor, batch_norm
from gapsack.selection.errors import InputError

FEATURE_WIDTHS = (1024, 128)
"""Of video and audio in YouTube-8M, whose whitening can be undone."""

SCALES_FILE = Path(__file__).with_name("pca_scales.npy")
"""sqrt(e) + 1e-4 of the 1,024 eigenvalues e of the PCA of YouTube-8M's feature extractor, float32."""

HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    Number("clusters", "K, clusters of the video stream; audio has K // 2", minimum=2),
    Number("hidden", "H, width of the hidden layer"),
    common.CLASSES,
    common.RGB,
    common.OPTIONAL_AUDIO,
    Number("groups", "G, groups of the video stream, an even number; audio has G // 2", minimum=2, default=8),
    Number("expansion", "E, how many times wider frames become", default=2),
    Number("reduction", "R, how many times narrower the gating is than the hidden layer", default=8),
    Number("dropout", "share of pooled values dropped in training", minimum=0, below=1, default=0.5, whole=False),
    Flag("unwhiten", "undo the whitening of YouTube-8M's video features", default=True),
)


FRAMEWISE = ("fully_connected/weights", "fully_connected_1/weights", "cluster_weights")
"""Matrices of a stream that multiply every frame."""


def framewise(stream_names: tuple[str, str]) -> tuple[str, ...]:
    """How the names of these matrices end; the classifier's are in no stream."""
    return tuple(f"/{stream}/{name}" for stream in stream_names for name in FRAMEWISE)


def check(hyperparameters: Mapping[str, Any]) -> None:
    """Refuse hyperparameters that do not go together.

    Raises:
        InputError: naming those.
    """
    rgb, audio, groups, expansion, hidden, reduction = (
        int(hyperparameters[name]) for name in ("rgb", "audio", "groups", "expansion", "hidden", "reduction")
    )
    problems = []
    if hyperparameters["unwhiten"] and not _whitened(rgb, audio):
        problems.append(f"unwhiten must be false where features are not 1024 + 128, got {rgb} + {audio}")
    if groups % 2:
        problems.append(f"groups must be even, got {groups}")
    for name, width, parts in (("rgb", rgb, groups), ("audio", audio, groups // 2)):
        if width * expansion % parts:
            problems.append(f"expansion * {name} must be divisible by {parts} groups, got {expansion} * {width}")
    if hidden % reduction:
        problems.append(f"hidden must be divisible by reduction, got {hidden} and {reduction}")
    if problems:
        raise InputError("; ".join(problems))


def _whitened(rgb: int, audio: int) -> bool:
    """Whether features may be YouTube-8M's."""
    return (rgb, audio) in (FEATURE_WIDTHS, (FEATURE_WIDTHS[0], 0))


def recognised(shapes: Shapes, scope: str, stream_names: tuple[str, str]) -> dict[str, Any]:
    """Hyperparameters of the branch under `scope`; features that are not YouTube-8M's cannot be whitened ones."""
    video, audio = (f"{scope}/{name}" for name in stream_names)
    rgb, expanded = shapes[f"{video}/fully_connected/weights"]
    heard = common.present(shapes, f"{audio}/")
    found = {"rgb": rgb, "audio": shapes[f"{audio}/fully_connected/weights"][0] if heard else 0}
    hidden, narrow = shapes[f"{scope}/gating_weights_1"]
    return {
        **found,
        **common.recognised_logistic(shapes, scope),
        "clusters": shapes[f"{video}/cluster_weights2"][2],
        "hidden": hidden,
        "groups": shapes[f"{video}/fully_connected_1/weights"][1],
        "expansion": expanded // rgb,
        "reduction": hidden // narrow,
        **({} if _whitened(**found) else {"unwhiten": False}),
    }


def branch(scope: str, stream_names: tuple[str, str], hyperparameters: Mapping[str, Any]) -> list[Tensor]:
    """Every tensor of one NeXtVLAD under `scope`, from its streams, so named, to its logistic classifier."""
    hidden, classes = int(hyperparameters["hidden"]), int(hyperparameters["classes"])
    narrow = hidden // int(hyperparameters["reduction"])
    streams, width = [], 0
    for name, features, groups, clusters in streams_of(hyperparameters, stream_names):
        expanded = int(hyperparameters["expansion"]) * features
        descriptor = clusters * expanded // groups
        streams += _stream(f"{scope}/{name}", features, expanded, groups, clusters)
        width += descriptor
    weights, biases = common.logistic(scope, hidden, classes)
    return [
        *streams,
        kernel(f"{scope}/hidden1_weights", width, hidden, group="hidden1"),
        *batch_norm(f"{scope}/hidden1_bn", hidden),
        kernel(f"{scope}/gating_weights_1", hidden, narrow, group="gating"),
        *batch_norm(f"{scope}/gating_bn", narrow),
        kernel(f"{scope}/gating_weights_2", narrow, hidden, group="gating"),
        replace(weights, deviation=math.sqrt(2 / hidden)),
        replace(biases, decayed=True),
    ]


def streams_of(hyperparameters: Mapping[str, Any], names: tuple[str, str]) -> list[tuple[str, int, int, int]]:
    """Name, features, groups and clusters of the video stream, and of audio where there is any."""
    rgb, audio, groups, clusters = (int(hyperparameters[name]) for name in ("rgb", "audio", "groups", "clusters"))
    found = [(names[0], rgb, groups, clusters)]
    return [*found, (names[1], audio, groups // 2, clusters // 2)] if audio else found


def kernel(name: str, rows: int, columns: int, *, group: str) -> Tensor:
    """A matrix with the variance 2 / rows of initial values, as the authors' initialiser has."""
    return common.matrix(name, rows, columns, fan=rows / 2, group=group)


def _stream(scope: str, features: int, expanded: int, groups: int, clusters: int) -> list[Tensor]:
    part = expanded // groups
    return [
        kernel(f"{scope}/fully_connected/weights", features, expanded, group="expansion"),
        Tensor(f"{scope}/fully_connected/biases", (expanded,)),
        kernel(f"{scope}/fully_connected_1/weights", expanded, groups, group="attention"),
        Tensor(f"{scope}/fully_connected_1/biases", (groups,)),
        kernel(f"{scope}/cluster_weights", expanded, groups * clusters, group="clusters"),
        *batch_norm(f"{scope}/cluster_bn", groups * clusters),
        Tensor(f"{scope}/cluster_weights2", (1, part, clusters), deviation=math.sqrt(2 / part), group="centres"),
        *batch_norm(f"{scope}/vlad_bn", clusters * part),
    ]
