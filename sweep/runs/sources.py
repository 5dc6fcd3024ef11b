"""What a command works on when it is given a run, a folder, a file, or nothing at all.

`select ensemble` without a source takes the newest run below `./runs` (or the folder that holds the pool itself), so
that the usual sequence of commands needs no paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gapsack.models.graph.formats import graph_formats
from gapsack.models.tasks import Task
from gapsack.selection.errors import InputError
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.runs.default_storage import DEFAULT_STORAGE
from gapsack.sweep.runs.folder import RunFolder, runs_in
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import bring, bring_books, is_mirrored, place_of


@dataclass(frozen=True)
class Source:
    """A pool, an ensemble or a graph, and the run that it belongs to (None for one made by hand)."""

    path: Path
    run: RunFolder | None

    @property
    def items(self) -> str:
        """What a run's examples are called, in the plural; of a pool made by hand nobody said what they are."""
        if self.run is None:
            return Task.items
        try:
            return load_config(self.run.config_file).data.task.items
        except InputError:  # damaged, as `sweep status` tells; what is chosen of its pool is told all the same
            return Task.items

    def beside(self, in_run: str, by_hand: str) -> Path:
        """Where a result goes by default: the place that the run has for it, else the working folder."""
        return Path(by_hand).absolute() if self.run is None else Path(getattr(self.run, in_run))


def find_pool(given: Path | None) -> Source:
    """The candidate pool: a pool folder, a run's pool, or the newest run's.

    Raises:
        InputError: there is none.
    """
    return _find(
        given, markers=["labels.npz"], attribute="pool", what="a candidate pool", made_by="sweep run or select pool add"
    )


def imported_pool(given: Path | None) -> Path | None:
    """The pool that is meant, if it is one that no run has; None for anything else, runs above all."""
    given = None if given is None else _here(given, "pool")
    if given is None or not _has_any(given, ["labels.npz"]):
        return None
    source = find_pool(given)
    return source.path if source.run is None else None


def find_ensemble(given: Path | None) -> Source:
    """An ensemble file: given as such, or in a run. The same errors as `find_pool`."""
    given = None if given is None else _here(given, "ensemble_file")
    if given is not None and given.is_file():
        return Source(given.absolute(), _run_around(given.absolute().parent))
    return _find(
        given, markers=["ensemble.json"], attribute="ensemble_file", what="an ensemble.json", made_by="select ensemble"
    )


def find_graph(given: Path | None) -> Source:
    """A built graph: its folder, a file that is a graph (.tflite), or a run's SavedModel. Errors as for `find_pool`."""
    given = None if given is None else _here(given, "graph")
    if given is not None and given.is_file():
        return Source(given.absolute(), _run_around(given.absolute().parent.parent))
    markers = [each.marker for each in graph_formats()]
    return _find(given, markers=markers, attribute="graph", what="a built graph", made_by="select build")


def _find(given: Path | None, *, markers: Sequence[str], attribute: str, what: str, made_by: str) -> Source:
    if given is not None:
        given = _here(given, attribute)
        # A run may be named as `sweep status` names it: paper_grid for runs/paper_grid.
        if not given.exists() and (DEFAULT_STORAGE / given).is_dir():
            given = DEFAULT_STORAGE / given
        found = _in_folder(given, markers, attribute)
        if found is None:
            raise InputError(
                f"expected {what} ({' or '.join(markers)}, as {made_by} makes it) in {address_of(given)}, got none"
            )
        return found
    here = _in_folder(Path.cwd(), markers, attribute)
    if here is not None:
        return here
    for run in runs_in(DEFAULT_STORAGE):
        found = _in_folder(run.path, markers, attribute)
        if found is not None:
            return found
    raise InputError(
        f"expected {what} in this folder or in a run below ./{DEFAULT_STORAGE}, got none: name one (made by {made_by})"
    )


def _here(given: Path, attribute: str) -> Path:
    """What is given, as a path; of a URL what is asked for is here then, and what its run says of itself."""
    place = place_of(given)
    if is_mirrored(place):
        bring_books(place)
        run = RunFolder(place)
        bring(Path(getattr(run, attribute)) if run.config_file.exists() else place)
    return place


def _in_folder(folder: Path, markers: Sequence[str], attribute: str) -> Source | None:
    """The thing in a run folder, or the folder that holds (or, for a file, contains) it directly."""
    folder = folder.absolute()
    run = RunFolder(folder)
    place = Path(getattr(run, attribute))
    if run.config_file.exists():
        return Source(place, run) if place.is_file() or _has_any(place, markers) else None
    if not _has_any(folder, markers):
        return None
    # A marker that is the thing itself (ensemble.json) is a file; the others mark their folder.
    return Source(folder / place.name if place.name in markers else folder, _run_around(folder.parent))


def _has_any(folder: Path, names: Sequence[str]) -> bool:
    return any((folder / name).is_file() for name in names)


def _run_around(folder: Path) -> RunFolder | None:
    run = RunFolder(folder)
    bring(run.config_file)
    if run.config_file.exists():
        bring_books(run.path)
        return run
    return None
