"""The family `keras_model`: any function that makes a Keras model for a task's inputs."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gapsack.models.families.keras_model.builder import Builder, load, located
from gapsack.models.family import Family, Hyperparameters
from gapsack.models.hyperparameters import Choice, Hyperparameter, TaskDescription, Text
from gapsack.models.tasks import View, names, task_from_dict
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

UNKNOWN = "unknown"
"""In the place of a digest: nobody looked at the file."""


class _Fixed(Text):
    """A text that says what the other hyperparameters are."""

    @property
    def varies(self) -> bool:
        """See the base."""
        return False


OWN: tuple[Hyperparameter, ...] = (
    _Fixed("builder", "the function that makes the model: file.py:function or module:function"),
    TaskDescription(),
    Choice(
        "frames",
        "sampled: a fixed number of each video's frames; all: each frame once, with num_frames",
        ("sampled", "all"),
        "sampled",
    ),
    _Fixed("builder_sha256", "of the builder's file; filled in when a grid is read", UNKNOWN),
)


@dataclass(frozen=True)
class _Described:
    """What is known of a model once it was built: its tensors, and the shapes that its layers give."""

    tensors: tuple[Tensor, ...]
    given: tuple[tuple[int | None, ...], ...]


def _more(hyperparameters: Hyperparameters) -> tuple[Hyperparameter, ...]:
    """The keyword parameters of the builder."""
    name = hyperparameters.get("builder")
    return load(name).options([parameter.name for parameter in OWN]) if isinstance(name, str) else ()


def _located(options: Hyperparameters, folder: Path) -> dict[str, Any]:
    """Options of a grid file in `folder`, with the builder's place made absolute and the digest of its file.

    What is wrong with the builder is told when its parameters are asked for.
    """
    name = options.get("builder")
    if not isinstance(name, str):
        return dict(options)
    found = {**options, "builder": located(name, (folder, Path.cwd()))}
    try:
        return {**found, "builder_sha256": load(found["builder"]).sha256}
    except InputError:
        return found


def _tensors(hyperparameters: Hyperparameters) -> tuple[Tensor, ...]:
    return _describe(hyperparameters).tensors


def _network(tensors: tuple[Tensor, ...], hyperparameters: Hyperparameters, seed: int) -> Any:
    from gapsack.models.families.keras_model.network import KerasModel, build_core
    from gapsack.models.layers.base import is_blank

    builder = load(hyperparameters["builder"])
    _warn_of_changes(builder, hyperparameters["builder_sha256"])
    task = task_from_dict(hyperparameters["task"])
    blank = is_blank()
    core = build_core(builder, task, _options(hyperparameters), None if blank else seed)
    model = KerasModel(core, task, tensors, seed)
    if not blank:
        model.check_probabilities()
    return model


def _graph_bytes(hyperparameters: Hyperparameters) -> int:
    return _counted(_key(hyperparameters), _whole(hyperparameters))


def _activations(hyperparameters: Hyperparameters, view: View) -> int:
    """The values that its layers give; frames are as many as a view has."""
    given = _describe(hyperparameters).given
    return sum(math.prod(view.sample_frames if size is None else size for size in shape[1:]) for shape in given)


def _whole(hyperparameters: Hyperparameters) -> bool:
    return bool(hyperparameters["frames"] == "all")


def _options(hyperparameters: Hyperparameters) -> dict[str, Any]:
    own = {parameter.name for parameter in OWN}
    return {name: value for name, value in hyperparameters.items() if name not in own}


def _warn_of_changes(builder: Builder, sha256: str) -> None:
    if sha256 not in (UNKNOWN, builder.sha256):
        warnings.warn(
            f"expected {builder.name} as it was when a grid named it (sha256 {sha256[:12]}…), got another content "
            f"({builder.sha256[:12]}…): the model is made by the present one",
            UserWarning,
            stacklevel=2,
        )


def _key(hyperparameters: Hyperparameters) -> tuple[str, str, str, str]:
    """What a model follows from, the content of the builder's file included."""
    name = hyperparameters["builder"]
    task, options = (json.dumps(values) for values in (hyperparameters["task"], _options(hyperparameters)))
    return name, load(name).sha256, task, options


def _describe(hyperparameters: Hyperparameters) -> _Described:
    return _built_once(_key(hyperparameters))


@lru_cache(maxsize=4096)
def _built_once(key: tuple[str, str, str, str]) -> _Described:
    from gapsack.models.families.keras_model.tensors import tensors_of

    core = _blank_core(key)
    try:
        return _Described(tensors_of(core), tuple(_given(core)))
    except InputError as error:
        raise InputError(f"{key[0]}: {error}") from error


@lru_cache(maxsize=4096)
def _counted(key: tuple[str, str, str, str], whole: bool) -> int:
    from gapsack.models.families.keras_model.network import KerasModel
    from gapsack.models.families.keras_model.operations import graph_bytes

    model = KerasModel(_blank_core(key), task_from_dict(json.loads(key[2])), _built_once(key).tensors, 0)
    return graph_bytes(model, whole=whole)


def _blank_core(key: tuple[str, str, str, str]) -> Any:
    from gapsack.models.families.keras_model.network import build_core

    name, _, task, options = key
    return build_core(load(name), task_from_dict(json.loads(task)), json.loads(options), None)


def _given(model: Any) -> Sequence[tuple[int | None, ...]]:
    """Shapes of what the operations of a functional model give, of those inside of models in it as well."""
    shapes: list[tuple[int | None, ...]] = []
    for operation in model.operations:
        if hasattr(operation, "operations"):
            shapes += _given(operation)
        else:
            outputs = operation.output
            shapes += [tuple(tensor.shape) for tensor in (outputs if isinstance(outputs, list | tuple) else [outputs])]
    return shapes


FAMILY = Family(
    name="keras_model",
    tasks=names(),
    hyperparameters=OWN,
    more=_more,
    tensors=_tensors,
    network=_network,
    located=_located,
    whole_frames=_whole,
    graph_bytes=_graph_bytes,
    activations=_activations,
)
