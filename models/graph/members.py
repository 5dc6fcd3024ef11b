"""Members of an ensemble as the graph needs them: what they are, where their weights lie, what they share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models import precisions, registry
from gapsack.models.checkpoints import read_weights
from gapsack.models.graph.foreign.saved_model import SavedModelMember
from gapsack.models.graph.names import scope
from gapsack.models.precisions import Precision
from gapsack.models.precisions.codec import part_name
from gapsack.models.tasks import Task, View
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError
from gapsack.selection.npz import NpzArchive, open_npz


@dataclass(frozen=True)
class Member:
    """One model of the ensemble.

    Attributes:
        name: For messages and progress.
        family: A family of `models.registry`.
        hyperparameters: The family's; defaults are filled in.
        precision: Name of the precision that its weights are stored in.
        weight: Its share in the blend.
        weights: The .npz of its float32 weights (`checkpoints.write_weights`).
        sample_frames: Frames of each video that it sees; of no effect where there are none to choose.
        calibration: The .npz of `calibration.calibrate`, by which integers are chosen; None rounds to nearest.
        shared: Bytes of the groups of tensors that it has in common with others at this precision, by group.
    """

    name: str
    family: str
    hyperparameters: Mapping[str, Any]
    precision: str
    weight: float
    weights: Path
    sample_frames: int = 1
    calibration: Path | None = None
    shared: Mapping[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> dict[str, Any]:
        """All hyperparameters, defaults filled in."""
        return registry.family(self.family).validate(self.hyperparameters)

    @property
    def view(self) -> View:
        """How it sees its inputs."""
        return registry.family(self.family).view(self.complete, self.sample_frames)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The model's tensors, in the family's order."""
        return registry.family(self.family).tensors(self.complete)

    @property
    def stored(self) -> Precision:
        """The precision that its weights are stored in."""
        return precisions.precision(self.precision, self.tensors)

    @property
    def size_bytes(self) -> int:
        """Exact bytes of the stored weights."""
        return sum(self.stored.tensor_bytes(tensor) for tensor in self.tensors)


AnyMember = Member | SavedModelMember


def check_members(members: Sequence[AnyMember], task: Task) -> None:
    """Check that members can be blended.

    Raises:
        InputError: No members; one of another task, or with other features or classes; a blend weight that is not
        finite;
            `sample_frames` below 1. Hyperparameters and precisions are checked as well.
    """
    if not members:
        raise InputError("expected at least one member to build a graph of, got none")
    for member in members:
        if not math.isfinite(member.weight):
            raise InputError(f"expected a finite blend weight, got {member.weight} for {member.name}")
        if member.sample_frames < 1:
            raise InputError(f"expected at least 1 sampled frame, got {member.sample_frames} for {member.name}")
        if isinstance(member, Member):
            _check_task(member, task)
            _ = member.stored


def _check_task(member: Member, task: Task) -> None:
    family = registry.family(member.family)
    if task.name not in family.tasks:
        raise InputError(f"expected members for {task.name}, got {member.name} of {family.name}, which is for others")
    wanted, complete = family.from_data(task.dimensions), member.complete
    found = {name: complete[name] for name in wanted}
    if found != wanted:
        raise InputError(
            f"expected members over the same features and classes, here {wanted}, got {found} in {member.name}"
        )


def variable_name(index: int, member: Member, tensor: str, part: str) -> str:
    """Name in the graph of a stored part of a tensor of member `index`: its scope in the place of the family's."""
    return part_name(f"{scope(index)}/{own_name(member, tensor)}", part)


def own_name(member: Member, tensor: str) -> str:
    """Name of a tensor without the family's scope."""
    return tensor.removeprefix(f"{registry.family(member.family).scope}/")


def encoded_parts(
    index: int, member: Member, saturated: Counter[str] | None = None, elsewhere: Container[str] = ()
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Stored arrays of a member by their names in the graph, but for tensors that are stored `elsewhere`.

    Raises:
        InputError: As `encoded_tensors`.
    """
    for tensor, parts in encoded_tensors(member, saturated, elsewhere):
        while parts:  # an array is let go before the next one is asked for
            part, array = parts.popitem()
            yield variable_name(index, member, tensor.name, part), array


def encoded_tensors(
    member: Member, saturated: Counter[str] | None = None, elsewhere: Container[str] = ()
) -> Iterator[tuple[Tensor, dict[str, NDArray[Any]]]]:
    """Tensors of a member with their stored arrays by part; reads and encodes one tensor at a time.

    Raises:
        InputError: The weights file is missing or no such archive, lacks a tensor or has one of another shape, or a
            precision cannot hold its values (see `Precision.encode`, also for `saturated`).
    """
    moments = read_weights(member.calibration) if member.calibration is not None else {}
    with _named(member), open_npz(member.weights) as archive:
        for tensor in member.tensors:
            if tensor.name not in elsewhere:
                yield tensor, _encode(member, tensor, archive, moments.get(tensor.name), saturated)


@contextmanager
def _named(member: Member) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"member {member.name}: {error}") from error


def _encode(
    member: Member,
    tensor: Tensor,
    archive: NpzArchive,
    moments: NDArray[np.float32] | None,
    saturated: Counter[str] | None,
) -> dict[str, NDArray[Any]]:
    values = archive[tensor.name]
    if values.dtype.kind != "f" and values.dtype.name != "bfloat16":
        raise InputError(f"expected numbers for {tensor.name} in {member.weights}, got {values.dtype}")
    values = np.asarray(values, np.float32)
    if values.shape != tensor.shape:
        raise InputError(f"expected shape {tensor.shape} for {tensor.name} in {member.weights}, got {values.shape}")
    return member.stored.encode(tensor, values, moments=moments, saturated=saturated)
