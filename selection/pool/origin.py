"""Where a candidate comes from, and what it takes to pack it: the types behind ``origin`` in a candidate's JSON.

A graph can be built of a candidate whose origin names weights of a model family (``WeightsOrigin``: a trial of a
sweep, an imported checkpoint, or a model whose files were made by hand) or SavedModels. Any other origin is free-form:
a search needs none. All of them keep keys that are not theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from gapsack.selection.errors import PoolError

DEFAULT_RGB, DEFAULT_AUDIO, DEFAULT_MAX_FRAMES = 1024, 128, 300
"""What files that do not say were made with."""


class _AnyOrigin(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a candidate's JSON holds them."""
        return self.model_dump(mode="json", exclude_none=True)


class FreeOrigin(_AnyOrigin):
    """Whatever whoever made the pool wanted to note; no graph can be built of it."""


class StartedFrom(_AnyOrigin):
    """The published weights that a training began with (`training.start_from`), by what is in them and by name.

    Attributes:
        sha256: Of the file of weights.
        run: The run whose trial they are of; None for a file from elsewhere.
        trial: That trial.
        file: The name of such a file, without its folder; None for a trial's.
    """

    sha256: str
    run: str | None = None
    trial: str | None = None
    file: str | None = None


class WeightsOrigin(_AnyOrigin):
    """Weights of a model family.

    Attributes:
        kind: Who made them.
        family: A family of ``models.registry``; the candidate has its hyperparameters.
        weights: The .npz of float32 weights by name, relative to the pool.
        calibration: The .npz by which its integers were chosen, relative to the pool; None rounds to the nearest.
        sample_frames: Frames of each video that it sees.
        task: What goes into the model and comes out of it, as ``Task.to_dict`` tells.
    """

    kind: str = ""
    family: str
    weights: str
    calibration: str | None = None
    sample_frames: PositiveInt = 1
    task: dict[str, Any]


class TrialOrigin(WeightsOrigin):
    """A trial of a sweep, of the run of that name."""

    kind: Literal["trial"] = "trial"
    run: str
    started_from: StartedFrom | None = None
    """None for a trial that began with random weights, or that an earlier version trained."""
    settings: dict[str, Any] | None = None
    """Settings of training that the search varied, by dotted key; None where none was."""


class CheckpointOrigin(WeightsOrigin):
    """A TensorFlow checkpoint from elsewhere: the scope of the model in it, and whether its weights are averages."""

    kind: Literal["checkpoint"] = "checkpoint"
    checkpoint: str
    scope: str
    averaged: bool | None = None
    """None where an earlier version imported it, which took no averages."""


class SavedModelOrigin(_AnyOrigin):
    """SavedModels from elsewhere.

    Attributes:
        saved_models: Their folders by precision, relative to the pool.
        sample_frames: Frames of each video that they see when they take frames alone.
        task: What goes in and what comes out, as ``Task.to_dict`` tells.
        output: Which of their outputs are the probabilities; None for the only one, or the one so called.
    """

    kind: str = "savedmodel"
    saved_models: dict[str, str] = Field(min_length=1)
    sample_frames: PositiveInt
    task: dict[str, Any]
    output: str | None = None


Origin = TrialOrigin | CheckpointOrigin | WeightsOrigin | SavedModelOrigin | FreeOrigin
Buildable = WeightsOrigin | SavedModelOrigin
"""Origins that a graph can be built of."""

_KINDS: dict[str, type[TrialOrigin | CheckpointOrigin | SavedModelOrigin]] = {
    "trial": TrialOrigin,
    "checkpoint": CheckpointOrigin,
    "savedmodel": SavedModelOrigin,
}


def read_origin(origin: Mapping[str, Any], hyperparameters: Mapping[str, Any], file: object) -> Origin:
    """The origin of a candidate, as its JSON has it, checked.

    Files of the first version tell ``level``, ``features``, ``max_frames`` and ``classes`` instead of a task, partly
    among the hyperparameters; they are read as YouTube-8M's.

    Args:
        origin: As it stands in the file.
        hyperparameters: The candidate's.
        file: What errors name.

    Raises:
        PoolError: a key is missing or of another type; names the file and the key.
    """
    values = {key: value for key, value in origin.items() if value is not None}
    if "task" not in values and "level" in values:
        values = _with_task(values, hyperparameters, file)
    try:
        return _kind_of(values).model_validate(values)
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors(include_url=False)]
        raise PoolError(f"{file}: expected an origin that can be packed, got {'; '.join(problems)}") from error


def _kind_of(values: Mapping[str, Any]) -> type[Origin]:
    """By its kind; a pool made by hand need not tell one of ours, and its keys say what it is."""
    kind = values.get("kind")
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind]
    if {"saved_models", "task"} <= set(values):
        return SavedModelOrigin
    return WeightsOrigin if {"family", "weights", "task"} <= set(values) else FreeOrigin


def _with_task(values: dict[str, Any], hyperparameters: Mapping[str, Any], file: object) -> dict[str, Any]:
    """An origin of the first version with its task in place of the keys that told it."""
    features = values.get("features") or {}
    if not isinstance(features, Mapping):
        raise PoolError(f"{file}: expected origin.features as rgb and audio, got {features!r}")
    told = {"classes": values.get("classes"), **features, **hyperparameters}
    sizes = {
        "classes": told.get("classes"),
        "rgb": told.get("rgb", DEFAULT_RGB),
        "audio": told.get("audio", DEFAULT_AUDIO),
        "max_frames": values.get("max_frames", DEFAULT_MAX_FRAMES),
    }
    for key, size in sizes.items():
        if not isinstance(size, int):
            raise PoolError(f"{file}: expected origin.{key} as a whole number, got {size!r}")
    task = {"name": "youtube8m", "level": str(values["level"]), **sizes}
    return {key: value for key, value in values.items() if key not in ("level", "features", *sizes)} | {"task": task}


def _problem(details: Any) -> str:
    key = ".".join(("origin", *map(str, details["loc"])))
    if details["type"] == "missing":
        return f"{key} missing"
    return f"{key} as {details['input']!r} ({str(details['msg']).replace('Input should be', 'it should be')})"
