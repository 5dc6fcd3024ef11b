"""From ensemble.json and the pool to the one graph: members with their weights, and what the data looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gapsack.models.graph import AnyMember, Member, SavedModelMember, Shared
from gapsack.models.graph.files import EXTRA_FOLDER
from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json
from gapsack.sweep.data.features import Features

DATA_FILE = f"{EXTRA_FOLDER}/data.json"
"""Inside the graph's folder: the features of the records that it reads, so that it can be run without its run."""
ENSEMBLE_FILE = f"{EXTRA_FOLDER}/ensemble.json"


@dataclass(frozen=True)
class Packing:
    """An ensemble, ready to be built."""

    ensemble: dict[str, Any]
    members: tuple[AnyMember, ...]
    features: Features


def is_buildable(origin: Mapping[str, Any]) -> bool:
    """Whether a graph can hold a candidate: its origin names the weights of a family, or SavedModels."""
    return {"weights", "family"} <= set(origin) or "saved_models" in origin


def read_packing(ensemble_file: Path) -> Packing:
    """The members of an ensemble with their weights.

    Raises:
        InputError: the file is no ensemble, its pool is not where it says, or a member has no weights to build from.
    """
    ensemble = _read_ensemble(ensemble_file)
    pool = ensemble_file.parent / ensemble.get("pool", "pool")
    records = {member["name"]: _read_candidate(pool, member["name"]) for member in ensemble["members"]}
    without = [name for name, record in records.items() if not is_buildable(record["origin"])]
    if without:
        raise InputError(
            f"expected members with weights of their own, got only predictions of {', '.join(without)}: "
            "a graph can be built of models that sweep run trained, or that were imported as models"
        )
    members = tuple(_member(pool, member, records[member["name"]]) for member in ensemble["members"])
    return Packing(ensemble, members, _shared_features(records, members))


def extra_files(packing: Packing) -> dict[str, bytes]:
    """What lies beside every graph, whatever its format: the features that it reads, and its ensemble."""
    features = {key: getattr(packing.features, key) for key in ("level", "classes", "rgb", "audio", "max_frames")}
    return {Path(DATA_FILE).name: _json_bytes(features), Path(ENSEMBLE_FILE).name: _json_bytes(packing.ensemble)}


def graph_features(graph: Path) -> Features:
    """The features of the records that a built graph reads.

    Raises:
        InputError: the graph does not say, because something else built it.
    """
    path = (graph.parent if graph.is_file() else graph) / DATA_FILE
    if not path.is_file():
        raise InputError(f"expected a graph that select build made (with {DATA_FILE}), got {graph}")
    return Features(**read_json(path))


def _member(pool: Path, chosen: Mapping[str, Any], record: Mapping[str, Any]) -> AnyMember:
    origin = record["origin"]
    if "saved_models" in origin:
        return _saved_model(pool, chosen, origin)
    return Member(
        name=chosen["name"],
        family=origin["family"],
        hyperparameters=record["hyperparameters"],
        precision=chosen["precision"],
        weight=chosen["weight"],
        weights=pool / origin["weights"],
        sample_frames=int(origin.get("sample_frames", 1)),
        calibration=pool / origin["calibration"] if origin.get("calibration") else None,
    )


def _saved_model(pool: Path, chosen: Mapping[str, Any], origin: Mapping[str, Any]) -> SavedModelMember:
    if chosen["precision"] not in origin["saved_models"]:
        known = ", ".join(origin["saved_models"])
        raise InputError(f"expected {chosen['name']} in a precision that it has ({known}), got {chosen['precision']}")
    return SavedModelMember(
        name=chosen["name"],
        directory=pool / origin["saved_models"][chosen["precision"]],
        precision=chosen["precision"],
        weight=chosen["weight"],
        sample_frames=int(origin["sample_frames"]),
        shared=Shared(**origin["features"], classes=origin["classes"]),
    )


def _shared_features(records: Mapping[str, Any], members: tuple[AnyMember, ...]) -> Features:
    found = {
        member.name: Features(
            level=records[member.name]["origin"]["level"],
            max_frames=int(records[member.name]["origin"].get("max_frames", 300)),
            **asdict(member.shared),
        )
        for member in members
    }
    different = [f"{name} {features}" for name, features in found.items()]
    if len(set(found.values())) != 1:
        raise InputError(f"expected members that read the same data, got {'; '.join(different)}")
    return next(iter(found.values()))


def _read_ensemble(path: Path) -> dict[str, Any]:
    ensemble = read_json(path)
    if not isinstance(ensemble, dict) or not ensemble.get("members"):
        raise InputError(f"expected an ensemble with members in {path}, got none (select ensemble makes one)")
    return ensemble


def _read_candidate(pool: Path, name: str) -> dict[str, Any]:
    path = pool / f"{name}.json"
    if not path.is_file():
        raise InputError(f"expected the member {name} in the pool {pool}, got no {path.name} there")
    record = read_json(path)
    return {"origin": record.get("origin") or {}, "hyperparameters": record.get("hyperparameters") or {}}


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()
