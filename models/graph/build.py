"""Building the one graph: from members and their weights to a SavedModel on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gapsack.models.errors import GraphError
from gapsack.models.graph.blending import Blend
from gapsack.models.graph.checkpoint import write_checkpoint
from gapsack.models.graph.files import file_sizes, write_extra_files
from gapsack.models.graph.foreign import saved_model as foreign
from gapsack.models.graph.formats.savedmodel import write_fingerprint, write_saved_model
from gapsack.models.graph.members import AnyMember, Member, encoded_parts
from gapsack.models.graph.names import SAVED_MODEL_FILE, VARIABLES_PREFIX
from gapsack.models.graph.network import Level, build_network
from gapsack.selection.files import whole_folder

Progress = Callable[[int, int, str], None]


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


def build_graph(
    members: Sequence[AnyMember],
    directory: str | Path,
    *,
    level: Level,
    blend: Blend = "probability",
    budget_bytes: int | None = None,
    top_k: int = 20,
    max_frames: int = 300,
    saturate: bool = False,
    extra_files: Mapping[str, bytes] | None = None,
    progress: Progress | None = None,
) -> GraphInfo:
    """Write the ensemble as one SavedModel; the folder appears whole or not at all.

    Args:
        members: The ensemble; member 0's variables lie under `tower/`, member i's under `tower/model<i>/`.
        directory: The SavedModel's folder; an earlier graph there is replaced.
        level: Whether videos come as frames (uint8, any number) or as one float32 vector.
        blend: `probability`: Σ w p. `logit`: sigmoid(Σ w logit(p)), p kept 1e-6 from 0 and 1.
        budget_bytes: Bytes on disk, all files together, that must not be exceeded.
        top_k: Classes in the outputs `top_indices` and `top_scores`.
        max_frames: Frames used of a video at most, before any are sampled.
        saturate: Clip weights beyond their precision's range and count them, rather than refuse them.
        extra_files: Content by file name, stored beside the graph under `assets.extra/`.
        progress: Called as (members written, members in all, name of the next member or "").

    Raises:
        InputError: Members that do not fit together, weights that are missing or out of range.
        GraphError: The graph is larger than the budget, or cannot be written.
    """
    target = Path(directory)
    saturated: Counter[str] = Counter()
    network = build_network(members, level=level, blend=blend, top_k=top_k, max_frames=max_frames)
    with whole_folder(target, marker=SAVED_MODEL_FILE) as part:
        write_checkpoint(part / VARIABLES_PREFIX, stored_arrays(members, saturated if saturate else None, progress))
        write_saved_model(part, network)
        write_fingerprint(part)
        write_extra_files(part, extra_files)
        info = GraphInfo(target, file_sizes(part), dict(saturated))
        check_budget(info, members, budget_bytes)
    return info


def check_budget(info: GraphInfo, members: Sequence[AnyMember], budget_bytes: int | None) -> None:
    """Raise GraphError when the files on disk exceed the budget."""
    if budget_bytes is not None and info.size_bytes > budget_bytes:
        weights = sum(member.size_bytes for member in members)
        raise GraphError(
            f"expected a graph of at most {budget_bytes} bytes, got {info.size_bytes} ({weights} of weights)"
        )


def stored_arrays(
    members: Sequence[AnyMember], saturated: Counter[str] | None, progress: Progress | None
) -> Iterator[tuple[str, NDArray[Any]]]:
    """All members' stored arrays by variable name, one at a time, with progress told in between."""
    for index, member in enumerate(members):
        if progress is not None:
            progress(index, len(members), member.name)
        if not isinstance(member, Member):
            yield from foreign.stored_arrays(index, member)
            continue
        own: Counter[str] | None = None if saturated is None else Counter()
        yield from encoded_parts(index, member, own)
        if saturated is not None and own:
            saturated.update({f"{member.name} {tensor}": count for tensor, count in own.items()})
    if progress is not None:
        progress(len(members), len(members), "")
