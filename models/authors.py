"""Checkpoints of the families' authors' own codes, read as members: models trained in 2018 can be packed today."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models import registry
from gapsack.models.recognition import RecognisedModel, recognise, with_options
from gapsack.models.tensors import Shapes
from gapsack.selection.errors import InputError

MOST_NAMED = 6
"""Variables of no model that are told by name."""

_SCOPED = re.compile(r"(tower(?:/model\d+)?)/((?!model\d+/).+)")


AVERAGE = "ExponentialMovingAverage"
"""What TensorFlow's moving average of a variable is called, below the variable's own name."""


@dataclass(frozen=True)
class AuthorsModel:
    """A model from a checkpoint.

    Attributes:
        scope: Variable scope in the checkpoint: `tower`, or `tower/model<i>` in an ensemble.
        family: Name of the family that has these tensors.
        hyperparameters: Those that the shapes decide, and the options that were given.
        assumed: The others, at the family's defaults.
        weights: All tensors, float32, by the names of the registry's family.
        averaged: How many of them are moving averages.
        left_aside: What else the checkpoint has for the model, in words.
    """

    scope: str
    family: str
    hyperparameters: dict[str, Any]
    assumed: dict[str, Any]
    weights: dict[str, NDArray[np.float32]]
    averaged: int = 0
    left_aside: str = ""


def read_authors_checkpoint(
    path: str | os.PathLike[str],
    *,
    raw: bool = False,
    families: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> list[AuthorsModel]:
    """Every model of a TensorFlow checkpoint, float32 or float16, by scope; their families may differ.

    Where the checkpoint has exponential moving averages, they are the weights that its training meant to be used, and
    are taken: of every variable that has one, as TensorFlow's `variables_to_restore` does.

    Args:
        path: The prefix of `.index` and `.data-…`, or a folder whose `checkpoint` file names the latest one; a path in
            that file which leads nowhere, because another machine wrote it, is looked for in the folder.
        raw: Take the variables themselves all the same.
        families: Names of the families to try, see `recognition.recognise`; all if empty.
        options: Hyperparameters by name, of those models whose family has them; what shapes do not decide.

    Raises:
        InputError: No checkpoint there; a model's tensors are those of no family or of several; an option that none of
            the models has, or cannot have; the files are damaged.
    """
    reader = _Reader(Path(path))
    shapes = _scoped(reader.shapes, path)
    found = {
        scope: _recognised(shapes[scope], f"{scope} of {path}", families, options or {})
        for scope in sorted(shapes, key=_index)
    }
    _check_options(found.values(), options or {}, path)
    return [_model(reader, scope, shapes[scope], model, raw=raw) for scope, model in found.items()]


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


def _recognised(shapes: Shapes, where: str, families: Sequence[str], options: Mapping[str, Any]) -> RecognisedModel:
    return with_options(recognise(shapes, where=where, families=families), options, where=where)


def _check_options(models: Iterable[RecognisedModel], options: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Every option is one of a model at least."""
    known = {model.family: list(model.hyperparameters) for model in models}
    unknown = [name for name in options if not any(name in names for names in known.values())]
    if unknown:
        told = "; ".join(f"{family}: {', '.join(names)}" for family, names in known.items())
        raise InputError(f"expected hyperparameters of the models in {path} ({told}), got {', '.join(unknown)}")


def _model(reader: _Reader, scope: str, own: Shapes, found: RecognisedModel, *, raw: bool) -> AuthorsModel:
    family_scope = registry.family(found.family).scope
    ours = {tensor.name.removeprefix(f"{family_scope}/"): tensor.name for tensor in found.tensors}
    names = list(ours)
    averages = {} if raw else {name: f"{name}/{AVERAGE}" for name in names if f"{name}/{AVERAGE}" in own}
    for name, average in averages.items():
        if own[average] != own[name]:
            raise InputError(f"expected {scope}/{average} in {reader.path} to be {own[name]}, got {own[average]}")
    taken = {name: averages.get(name, name) for name in names}
    weights = {ours[name]: reader.fractions(f"{scope}/{of}") for name, of in taken.items()}
    others = [name for name in own if name not in taken.values()]
    if scope == "tower":
        others += [name for name in reader.shapes if not name.startswith("tower/")]
    left_aside = _in_words(others, names)
    return AuthorsModel(scope, found.family, found.decided, found.assumed, weights, len(averages), left_aside)


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


def _index(scope: str) -> int:
    return int(scope.removeprefix("tower").removeprefix("/model") or 0)
