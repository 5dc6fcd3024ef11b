"""Checkpoints of the authors' own code, read as members: models trained in 2018 can be packed today."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.families.gated_netvlad.family import FAMILY
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

MOST_NAMED = 6
"""Variables of no model that are told by name."""

_SCOPED = re.compile(r"(tower(?:/model\d+)?)/((?!model\d+/).+)")


AVERAGE = "ExponentialMovingAverage"
"""What TensorFlow's moving average of a variable is called, below the variable's own name."""


@dataclass(frozen=True)
class AuthorsModel:
    """A gated NetVLAD from a checkpoint.

    Attributes:
        scope: Variable scope in the checkpoint: `tower`, or `tower/model<i>` in an ensemble.
        hyperparameters: Inferred from the shapes.
        weights: All tensors, float32, by the names of the registry's family.
        averaged: How many of them are moving averages.
        left_aside: What else the checkpoint has for the model, in words.
    """

    scope: str
    hyperparameters: dict[str, int]
    weights: dict[str, NDArray[np.float32]]
    averaged: int = 0
    left_aside: str = ""


def read_authors_checkpoint(path: str | os.PathLike[str], *, raw: bool = False) -> list[AuthorsModel]:
    """Every gated NetVLAD of a TensorFlow checkpoint, float32 or float16, by scope.

    Where the checkpoint has exponential moving averages, they are the weights that its training meant to be used, and
    are taken: of every variable that has one, as TensorFlow's `variables_to_restore` does.

    Args:
        path: The prefix of `.index` and `.data-…`, or a folder whose `checkpoint` file names the latest one; a path in
            that file which leads nowhere, because another machine wrote it, is looked for in the folder.
        raw: Take the variables themselves all the same.

    Raises:
        InputError: No checkpoint there; none of the models in it is a complete gated NetVLAD; a tensor of one is
            missing or has a shape that does not fit the others; the files are damaged.
    """
    reader = _Reader(Path(path))
    found = _scoped(reader.shapes, path)
    return [_model(reader, scope, found[scope], raw=raw) for scope in sorted(found, key=_index)]


class _Reader:
    """TensorFlow's reader of a checkpoint, of which InputErrors alone come."""

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        self.path = path
        with self._reading():
            state = tf.train.get_checkpoint_state(os.fspath(path)) if path.is_dir() else None
        prefix = os.fspath(path) if not path.is_dir() else self._latest(state)
        with self._reading():
            self._reader = tf.train.load_checkpoint(prefix)
            self.shapes: dict[str, list[int]] = self._reader.get_variable_to_shape_map()

    def fractions(self, name: str) -> NDArray[np.float32]:
        """A variable of fractions, of any precision."""
        with self._reading():
            values = np.asarray(self._reader.get_tensor(name))
        if values.dtype.kind != "f" and values.dtype.name != "bfloat16":
            raise InputError(f"expected fractions in the variable {name} of {self.path}, got {values.dtype}")
        return values.astype(np.float32)

    def _latest(self, state: Any) -> str:
        """The prefix that the `checkpoint` file of a folder names, in the folder itself if it is not where it says."""
        if state is None:
            found = sorted(each.name.removesuffix(".index") for each in self.path.glob("*.index"))
            raise InputError(
                f"expected a file named checkpoint in the folder {self.path}, which names the latest one, got none "
                f"that can be read; prefixes there: {', '.join(found[:MOST_NAMED]) or 'none'}"
            )
        named = str(state.model_checkpoint_path)
        here = os.fspath(self.path / Path(named).name)
        return here if not _is_there(named) and _is_there(here) else named

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:  # of another's file TensorFlow may raise anything
            told = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"expected a TensorFlow checkpoint at {self.path}, got {told}") from error


def _is_there(prefix: str) -> bool:
    return Path(f"{prefix}.index").is_file() or Path(prefix).is_file()


def _scoped(shapes: Mapping[str, Sequence[int]], path: str | os.PathLike[str]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes by scope and the name below it."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        scoped = _SCOPED.fullmatch(name)
        if scoped:
            found.setdefault(scoped[1], {})[scoped[2]] = tuple(shape)
    if not found:
        raise InputError(f"expected variables under tower/ in the checkpoint {path}, got none")
    return found


def _model(reader: _Reader, scope: str, own: Mapping[str, tuple[int, ...]], *, raw: bool) -> AuthorsModel:
    hyperparameters = infer_hyperparameters(own, where=f"{scope} of {reader.path}")
    names = [tensor.name.removeprefix("tower/") for tensor in _tensors(hyperparameters)]
    averages = {} if raw else {name: f"{name}/{AVERAGE}" for name in names if f"{name}/{AVERAGE}" in own}
    for name, average in averages.items():
        if own[average] != own[name]:
            raise InputError(f"expected {scope}/{average} in {reader.path} to be {own[name]}, got {own[average]}")
    taken = {name: averages.get(name, name) for name in names}
    weights = {f"tower/{name}": reader.fractions(f"{scope}/{of}") for name, of in taken.items()}
    others = [name for name in own if name not in taken.values()]
    if scope == "tower":
        others += [name for name in reader.shapes if not name.startswith("tower/")]
    return AuthorsModel(scope, hyperparameters, weights, len(averages), _in_words(others, names))


def _in_words(others: Sequence[str], names: Sequence[str]) -> str:
    """Variables by what they are: those of a tensor by their last name, with how many there are; the others by name."""
    slots: Counter[str] = Counter()
    single = []
    for name in sorted(others):
        tensor, _, last = name.rpartition("/")
        if tensor in names:
            slots[last] += 1
        elif name in names:
            slots["raw weights"] += 1
        else:
            single.append(name)
    parts = [f"{count} × {last}" for last, count in sorted(slots.items())] + single[:MOST_NAMED]
    more = [f"{len(single) - MOST_NAMED} more"] if len(single) > MOST_NAMED else []
    return ", ".join(parts + more)


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


def _index(scope: str) -> int:
    return int(scope.removeprefix("tower").removeprefix("/model") or 0)
