"""What writing a graph takes in every format: how it is asked for, the members' weights, and the whole folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from gapsack.models.errors import GraphError
from gapsack.models.graph.blending import Blend
from gapsack.models.graph.checkpoint import write_checkpoint
from gapsack.models.graph.files import file_sizes, write_extra_files
from gapsack.models.graph.foreign import saved_model as foreign
from gapsack.models.graph.members import AnyMember, Member, encoded_parts
from gapsack.models.graph.sharing import NOTHING_SHARED, Sharing
from gapsack.models.tasks import Task
from gapsack.selection.files import whole_folder

WritingProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class GraphInfo:
    """What was built.

    Attributes:
        directory: Where it lies.
        files: Bytes of every file, by path relative to `directory`.
        saturated: Values clipped to the range of their precision, by "<member> <tensor>"; empty unless asked for.
        largest_difference: From the probabilities of the SavedModel, on random videos; None for what computes the same.
    """

    directory: Path
    files: dict[str, int]
    saturated: dict[str, int] = field(default_factory=dict)
    largest_difference: float | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes on disk, of all files."""
        return sum(self.files.values())


@dataclass(frozen=True)
class WriteOptions:
    """How a graph is written; `build_graph` says what each means.

    Attributes:
        task: What the graph takes in, and the classes that it predicts.
        blend: `probability` or `logit`.
        budget_bytes: Bytes on disk, all files together, that must not be exceeded.
        top_k: Classes in the outputs `top_indices` and `top_scores`.
        saturate: Clip weights beyond their precision's range and count them.
        extra_files: Content by file name, stored beside the graph.
        progress: Called as (members written, members in all, name of the next member or "").
        settings: The format's own, all that it has (`Format.settings`).
        sharing: The tensors that are not stored again, because an earlier member has the same.
        plain: Lay down what layers do as they train, for a graph that is only converted: what is computed of weights
            alone a converter might store in their place.
    """

    task: Task
    blend: Blend = "probability"
    budget_bytes: int | None = None
    top_k: int = 20
    saturate: bool = False
    extra_files: Mapping[str, bytes] = field(default_factory=dict)
    progress: WritingProgress | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    sharing: Sharing = NOTHING_SHARED
    plain: bool = False


class Filled(NamedTuple):
    """What a format says of the files that it has written: two attributes of `GraphInfo`."""

    saturated: dict[str, int]
    largest_difference: float | None = None


def write_whole(
    members: Sequence[AnyMember],
    directory: Path,
    marker: str,
    options: WriteOptions,
    fill: Callable[[Path], Filled],
) -> GraphInfo:
    """Have a format `fill` a new folder with its files, add the extra ones, and hold all of them to the budget.

    The folder appears whole or not at all; an earlier graph in `directory`, known by its file `marker`, is replaced.

    Raises:
        InputError: `directory` holds something else.
        GraphError: The files exceed the budget.
    """
    with whole_folder(directory, marker=marker) as part:
        filled = fill(part)
        write_extra_files(part, options.extra_files)
        info = GraphInfo(directory, file_sizes(part), filled.saturated, filled.largest_difference)
        if options.budget_bytes is not None and info.size_bytes > options.budget_bytes:
            weights = sum(member.size_bytes for member in members) - options.sharing.saved_bytes
            raise GraphError(
                f"expected a graph of at most {options.budget_bytes} bytes, got {info.size_bytes} ({weights} of "
                "weights)"
            )
    return info


def write_weights(prefix: Path, members: Sequence[AnyMember], options: WriteOptions) -> Filled:
    """Write a checkpoint of all members' stored weights, and tell what was clipped.

    Raises:
        InputError: Weights that are missing or out of range.
        GraphError: The checkpoint cannot be written.
    """
    saturated: Counter[str] = Counter()
    arrays = _stored_arrays(members, saturated if options.saturate else None, options)
    write_checkpoint(prefix, arrays)
    return Filled(dict(saturated))


def _stored_arrays(
    members: Sequence[AnyMember], saturated: Counter[str] | None, options: WriteOptions
) -> Iterator[tuple[str, NDArray[Any]]]:
    """All members' stored arrays by variable name, one at a time, with progress told in between."""
    progress = options.progress
    for index, member in enumerate(members):
        if progress is not None:
            progress(index, len(members), member.name)
        if not isinstance(member, Member):
            yield from foreign.stored_arrays(index, member)
            continue
        own: Counter[str] | None = None if saturated is None else Counter()
        elsewhere = {tensor for number, tensor in options.sharing.places if number == index}
        yield from encoded_parts(index, member, own, elsewhere)
        if saturated is not None and own:
            saturated.update({f"{member.name} {tensor}": count for tensor, count in own.items()})
    if progress is not None:
        progress(len(members), len(members), "")
