"""Pools of several runs as one: over the same items, with names that tell the runs apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gapsack.selection.errors import PoolError
from gapsack.selection.outputs import target_of
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.files import LABELS_FILE
from gapsack.selection.pool.origin import SavedModelOrigin, WeightsOrigin, read_origin
from gapsack.sweep.pools.staging import Staged, remove_leftovers, staging
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.storage.mirrored import url_in, way_to


@dataclass(frozen=True)
class Joined:
    """A pool made of others.

    Attributes:
        pool: The whole pool, as written.
        renamed: The new names of candidates whose own several pools have, by pool and own name.
    """

    pool: CandidatePool
    renamed: dict[tuple[Path, str], str]


def join_pools(pools: Sequence[Path], out: Path) -> Joined:
    """Write the candidates of several pools into a new one, all or nothing; the pools stay as they are.

    A name that several have gets its run's name before it. Weights and SavedModels are not copied: the new pool tells
    the way to where they are. The same call can be repeated, as after a kill.

    Raises:
        PoolError: fewer than two pools, one given twice, other labels than the first one's, or something in `out`.
    """
    if len(pools) < 2:
        raise PoolError(f"expected at least two pools to join, got {len(pools)}")
    places = [pool.resolve() for pool in pools]
    if twice := [str(pool) for pool in pools if places.count(pool.resolve()) > 1]:
        raise PoolError(f"expected each pool once, got {', '.join(twice)}, which are one")
    read = [CandidatePool.read(pool) for pool in pools]
    names = _names(pools, read)
    remove_leftovers(target_of(out))
    if other := _strangers(out, pools, read, names):
        raise PoolError(f"expected a new or empty folder for the joined pool, got {out}, which holds {other[0]}")
    with staging(out) as staged:
        for place, pool in zip(pools, read, strict=True):
            staged.check_labels(pool.labels, place)
            for candidate in pool.candidates:
                staged.add(_moved(candidate, names[place, candidate.name], place, staged))
        joined = staged.write()
    return Joined(joined, {key: name for key, name in names.items() if key[1] != name})


def _strangers(
    out: Path, pools: Sequence[Path], read: Sequence[CandidatePool], names: Mapping[tuple[Path, str], str]
) -> list[str]:
    """What lies in a folder and is no file of the joined pool."""
    if not out.is_dir():
        return []
    files = {LABELS_FILE}
    for place, pool in zip(pools, read, strict=True):
        for candidate in pool.candidates:
            name = names[place, candidate.name]
            own = (f"{name}.{precision}.npz" for precision in candidate.by_precision)
            files |= {f"{name}.json", f"{name}.npz", *own}
    return sorted(path.name for path in out.iterdir() if path.name not in files)


def _names(pools: Sequence[Path], read: Sequence[CandidatePool]) -> dict[tuple[Path, str], str]:
    """The new name of every candidate, by its pool and its own name."""
    own = [(place, candidate.name) for place, pool in zip(pools, read, strict=True) for candidate in pool.candidates]
    counts = Counter(name for _, name in own)
    runs = _run_names(pools)
    taken = {name for name, count in counts.items() if count == 1}
    names = {}
    for place, name in own:
        new = name if counts[name] == 1 else f"{runs[place]}-{name}"
        while counts[name] > 1 and new in taken:
            new += "+"
        taken.add(new)
        names[place, name] = new
    return names


def _run_names(pools: Sequence[Path]) -> dict[Path, str]:
    """What each pool is called in names: its run, or its folder; numbered where several are called the same."""
    plain = [_run_name(pool) for pool in pools]
    numbered, seen = {}, Counter[str]()
    for pool, name in zip(pools, plain, strict=True):
        seen[name] += 1
        numbered[pool] = f"{name}{seen[name]}" if plain.count(name) > 1 else name
    return numbered


def _run_name(pool: Path) -> str:
    place = pool.resolve()
    run = RunFolder(place.parent)
    name = run.name if run.pool == place and (run.config_file.exists() or place.name == "pool") else place.name
    return (
        "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._+=-") else "_" for sign in name).lstrip(
            "._+=-"
        )
        or "run"
    )


def _moved(candidate: Candidate, name: str, place: Path, staged: Staged) -> Candidate:
    """A candidate under its new name, with the way to its weights from the new pool."""
    origin = read_origin(candidate.origin, candidate.hyperparameters, place / f"{candidate.name}.json")
    found: dict[str, Any] = candidate.origin

    def way(path: str) -> str:
        if url_in(path) is not None:
            return path
        return way_to(Path(os.path.normpath(place.resolve() / path)), staged.pool)

    if isinstance(origin, WeightsOrigin):
        calibration = None if origin.calibration is None else way(origin.calibration)
        found = origin.model_copy(update={"weights": way(origin.weights), "calibration": calibration}).to_dict()
    elif isinstance(origin, SavedModelOrigin):
        ways = {precision: way(folder) for precision, folder in origin.saved_models.items()}
        found = origin.model_copy(update={"saved_models": ways}).to_dict()
    return replace(candidate, name=name, origin=found)
