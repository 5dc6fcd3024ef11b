"""Checkpoints of the authors' own code, read as members: models trained in 2018 can be packed today."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.families.gated_netvlad.family import FAMILY
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

_SCOPED = re.compile(r"(tower(?:/model\d+)?)/((?!model\d+/).+)")


@dataclass(frozen=True)
class AuthorsModel:
    """A gated NetVLAD from a checkpoint.

    Attributes:
        scope: Variable scope in the checkpoint: `tower`, or `tower/model<i>` in an ensemble.
        hyperparameters: Inferred from the shapes.
        weights: All tensors, float32, by the names of the registry's family.
    """

    scope: str
    hyperparameters: dict[str, int]
    weights: dict[str, NDArray[np.float32]]


def read_authors_checkpoint(path: str | os.PathLike[str]) -> list[AuthorsModel]:
    """Every gated NetVLAD of a TensorFlow checkpoint, float32 or float16, by scope.

    `path` is the prefix of `.index` and `.data-…`, or a folder whose `checkpoint` file names the latest one.
    Optimizer slots and other variables are left aside.

    Raises:
        InputError: No checkpoint there; none of the models in it is a complete gated NetVLAD; a tensor of one is
            missing or has a shape that does not fit the others.
    """
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(os.fspath(path))
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(f"expected a TensorFlow checkpoint at {path}, got {error}") from error
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in reader.get_variable_to_shape_map().items():
        scoped = _SCOPED.fullmatch(name)
        if scoped:
            shapes.setdefault(scoped[1], {})[scoped[2]] = tuple(shape)
    if not shapes:
        raise InputError(f"expected variables under tower/ in the checkpoint {path}, got none")
    models = []
    for scope in sorted(shapes, key=_index):
        hyperparameters = infer_hyperparameters(shapes[scope], where=f"{scope} of {path}")
        names = [tensor.name.removeprefix("tower/") for tensor in _tensors(hyperparameters)]
        weights = {f"tower/{name}": _float32(reader.get_tensor(f"{scope}/{name}")) for name in names}
        models.append(AuthorsModel(scope, hyperparameters, weights))
    return models


def infer_hyperparameters(shapes: Mapping[str, tuple[int, ...]], *, where: str | Path) -> dict[str, int]:
    """Hyperparameters of the gated NetVLAD that has tensors of these shapes, by name without scope; all are checked.

    Raises:
        InputError: Naming what is missing or does not fit, and `where`.
    """
    try:
        rgb, clusters = shapes["video_VLAD/conv2/cluster_weights"]
        audio = shapes["audio_VLAD/conv2/cluster_weights"][0]
        classes = shapes["gating_prob_weights"][0]
        found = {
            "clusters": clusters,
            "hidden": shapes["hidden1_weights/hidden1_weights"][1],
            "classes": classes,
            "mixtures": shapes["experts/weights"][1] // classes,
            "rgb": rgb,
            "audio": audio,
        }
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"expected the tensors of a gated NetVLAD in {where}, got a problem with {error}") from error
    problems = []
    for tensor in _tensors(found):
        shape = shapes.get(tensor.name.removeprefix("tower/"))
        if shape != tensor.shape:
            problems.append(
                f"{tensor.name} {'is missing' if shape is None else f'has shape {shape}'}, not {tensor.shape}"
            )
    if problems:
        raise InputError(f"expected a gated NetVLAD with {found} in {where}, but {'; '.join(problems)}")
    return found


def _tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    return FAMILY.tensors(FAMILY.validate(hyperparameters))


def _float32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values).astype(np.float32)


def _index(scope: str) -> int:
    return int(scope.removeprefix("tower").removeprefix("/model") or 0)
