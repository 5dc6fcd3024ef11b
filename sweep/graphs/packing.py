"""From ensemble.json and the pool to the one graph: members with their weights, and what the data looks like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapsack.models.graph import AnyMember, Member, SavedModelMember
from gapsack.models.graph.files import EXTRA_FOLDER
from gapsack.models.tasks import Task, task_from_dict
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json
from gapsack.selection.pool.files import read_record
from gapsack.selection.pool.origin import Buildable, SavedModelOrigin, read_origin
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.report.ensemble import EnsembleMember as Chosen
from gapsack.selection.typed import read_typed
from gapsack.sweep.storage.mirrored import at_way, bring, fetched

DATA_FILE = f"{EXTRA_FOLDER}/data.json"
"""Inside the graph's folder: its task, so that it can be run without its run."""
ENSEMBLE_FILE = f"{EXTRA_FOLDER}/ensemble.json"


@dataclass(frozen=True)
class Packing:
    """An ensemble, ready to be built; `content` is that of its file, of which each graph keeps a copy."""

    ensemble: Ensemble
    content: bytes
    members: tuple[AnyMember, ...]
    task: Task


@dataclass(frozen=True)
class _Record:
    """What a candidate's JSON says of the model."""

    precisions: tuple[str, ...]
    origin: Buildable
    hyperparameters: dict[str, Any]
    shared: dict[str, dict[str, int]]

    def shared_at(self, precision: str) -> dict[str, int]:
        """Bytes of the groups that it shares at a precision."""
        return {group: sizes[precision] for group, sizes in self.shared.items() if precision in sizes}


def read_packing(ensemble_file: Path) -> Packing:
    """The members of an ensemble with their weights.

    Raises:
        InputError: the file is no ensemble, its pool is not where it says, or a member has no weights to build from.
    """
    ensemble = Ensemble.read(ensemble_file)
    pool = at_way(ensemble_file.parent, ensemble.pool or "pool")
    bring(pool, lambda name: name.endswith(".json"))
    records = _read_candidates(pool, [member.name for member in ensemble.members])
    members = tuple(_member(pool, member, records[member.name]) for member in ensemble.members)
    return Packing(ensemble, _json_bytes(read_json(ensemble_file)), members, _shared_task(records))


def extra_files(packing: Packing) -> dict[str, bytes]:
    """What lies beside every graph, whatever its format: its task, and its ensemble."""
    return {
        Path(DATA_FILE).name: _json_bytes(packing.task.to_dict()),
        Path(ENSEMBLE_FILE).name: packing.content,
    }


def graph_task(graph: Path) -> Task:
    """The task of a built graph; one of YouTube-8M where an earlier version built it, which knew no other.

    Raises:
        InputError: the graph does not say, because something else built it.
    """
    path = (graph.parent if graph.is_file() else graph) / DATA_FILE
    if not path.is_file():
        raise InputError(f"expected a graph that select build made (with {DATA_FILE}), got {graph}")
    task = read_typed(path, dict[str, Any], what="the task of a graph", advice="build the graph again")
    try:
        return task_from_dict({"name": YouTube8M.name, **task})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _member(pool: Path, chosen: Chosen, record: _Record) -> AnyMember:
    origin = record.origin
    _check_precision(chosen, record.precisions)
    if isinstance(origin, SavedModelOrigin):
        return _saved_model(pool, chosen, origin, record.shared_at(chosen.precision))
    return Member(
        name=chosen.name,
        family=origin.family,
        hyperparameters=record.hyperparameters,
        precision=chosen.precision,
        weight=chosen.weight,
        weights=fetched(at_way(pool, origin.weights)),
        sample_frames=origin.sample_frames,
        calibration=None if origin.calibration is None else fetched(at_way(pool, origin.calibration)),
        shared=record.shared_at(chosen.precision),
    )


def _saved_model(pool: Path, chosen: Chosen, origin: SavedModelOrigin, shared: dict[str, int]) -> SavedModelMember:
    _check_precision(chosen, tuple(origin.saved_models))
    return SavedModelMember(
        name=chosen.name,
        directory=fetched(at_way(pool, origin.saved_models[chosen.precision])),
        precision=chosen.precision,
        weight=chosen.weight,
        sample_frames=origin.sample_frames,
        shared=shared,
        output=origin.output,
    )


def _check_precision(chosen: Chosen, known: tuple[str, ...]) -> None:
    if chosen.precision not in known:
        raise InputError(
            f"expected {chosen.name} in a precision that it has ({', '.join(known)}), got {chosen.precision or 'none'}"
        )


def _shared_task(records: Mapping[str, _Record]) -> Task:
    found = {name: task_from_dict(record.origin.task) for name, record in records.items()}
    if len(set(found.values())) != 1:
        different = "; ".join(f"{name} {task}" for name, task in found.items())
        raise InputError(f"expected members of the same task, which read the same data, got {different}")
    return next(iter(found.values()))


def _read_candidates(pool: Path, names: Iterable[str]) -> dict[str, _Record]:
    """What each member's JSON says; all that have no weights are named at once."""
    found, without = {}, []
    for name in names:
        path = pool / f"{name}.json"
        if not path.is_file():
            raise InputError(f"expected the member {name} in the pool {pool}, got no {path.name} there")
        record = read_record(path)
        hyperparameters = record["hyperparameters"]
        origin = read_origin(record["origin"], hyperparameters, path)
        if isinstance(origin, Buildable):
            found[name] = _Record(tuple(record["size_bytes"]), origin, hyperparameters, record["shared"])
        else:
            without.append(name)
    if without:
        raise InputError(
            f"expected members with weights of their own, got only predictions of {', '.join(without)}: "
            "a graph can be built of models that sweep run trained, or that were imported as models"
        )
    return found


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()
