"""Building the one graph: from members and their weights to files on disk, in any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gapsack.models.graph.blending import Blend
from gapsack.models.graph.formats import DEFAULT_FORMAT, Format, graph_format
from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.sharing import find_sharing
from gapsack.models.graph.writing import GraphInfo, WriteOptions, WritingProgress
from gapsack.models.tasks import Task
from gapsack.selection.errors import InputError


def build_graph(
    members: Sequence[AnyMember],
    directory: str | Path,
    *,
    task: Task,
    format: str = DEFAULT_FORMAT,
    blend: Blend = "probability",
    budget_bytes: int | None = None,
    top_k: int = 20,
    saturate: bool = False,
    extra_files: Mapping[str, bytes] | None = None,
    progress: WritingProgress | None = None,
    settings: Mapping[str, str] | None = None,
) -> GraphInfo:
    """Write the ensemble as one graph; the folder appears whole or not at all.

    Args:
        members: The ensemble; member 0's variables lie under `tower/`, member i's under `tower/model<i>/`.
        directory: The graph's folder; an earlier graph of the same format there is replaced.
        task: What the graph takes in, and the classes that it predicts; all members are of it.
        format: A format of `models.graph.formats`, by name.
        blend: `probability`: Σ w p. `logit`: sigmoid(Σ w logit(p)), p kept 1e-6 from 0 and 1.
        budget_bytes: Bytes on disk, all files together, that must not be exceeded.
        top_k: Classes in the outputs `top_indices` and `top_scores`.
        saturate: Clip weights beyond their precision's range and count them, rather than refuse them.
        extra_files: Content by file name, stored beside the graph under `assets.extra/`.
        progress: Called as (members written, members in all, name of the next member or "").
        settings: Those of the format's own that are not to be its defaults (`Format.settings`).

    Raises:
        InputError: Members that do not fit together, weights that are missing or out of range, an unknown format or
            setting, or members whose shared groups are not the same.
        GraphError: The graph is larger than the budget, the format cannot hold it, or it cannot be written.
    """
    chosen = graph_format(format)
    options = WriteOptions(
        task=task,
        blend=blend,
        budget_bytes=budget_bytes,
        top_k=top_k,
        saturate=saturate,
        extra_files=extra_files or {},
        progress=progress,
        settings=_complete(chosen, settings or {}),
        sharing=find_sharing(members, saturate=saturate),
    )
    return chosen.write(members, Path(directory), options)


def _complete(chosen: Format, given: Mapping[str, str]) -> dict[str, str]:
    """All settings of the format: those given, the first choice for the others."""
    for key, value in given.items():
        if key not in chosen.settings:
            known = ", ".join(chosen.settings) or "none"
            raise InputError(f"expected a setting that the format {chosen.name} has ({known}), got {key}={value}")
        if value not in chosen.settings[key]:
            choices = " or ".join(chosen.settings[key])
            raise InputError(f"expected {key} of the format {chosen.name} to be {choices}, got {value!r}")
    return {key: given.get(key, choices[0]) for key, choices in chosen.settings.items()}
