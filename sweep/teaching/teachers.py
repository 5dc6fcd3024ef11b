"""Who teaches: a built graph, which predicts, or candidates of a pool, whose stored lists are looked up by id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.errors import InputError
from gapsack.selection.pool import CandidatePool, Predictions
from gapsack.selection.pool.origin import Buildable, read_origin
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.data.dataset import Examples
from gapsack.sweep.errors import DataError
from gapsack.sweep.storage.mirrored import at_way, bring
from gapsack.sweep.teaching.taught_lists import TaughtLists, encoded, lists_of, places_of
from gapsack.sweep.teaching.teacher_folder import digest_of

if TYPE_CHECKING:
    from gapsack.models.graph import Predictor


class AnyTeacher(Protocol):
    """Gives a batch's examples their lists. It is pickled for workers."""

    @property
    def digest(self) -> str:
        """Of all that decides what it says."""

    def taught(self, batch: Examples, top_k: int) -> TaughtLists:
        """The lists of a batch's examples, of `top_k` classes each.

        Raises:
            DataError: it has none for an example, or what it says are no probabilities.
        """


def load_teacher(graph: Path) -> Predictor:
    """A graph with its weights decoded, in this process."""
    from gapsack.models.graph.formats import load_graph
    from gapsack.models.quiet_start import load_tensorflow

    load_tensorflow()
    return load_graph(graph, decode_once=True)


@dataclass
class GraphTeacher:
    """A built graph, which is loaded when it is first asked, in each process once.

    Attributes:
        graph: Its folder or file; absolute, since workers have folders of their own.
        load: Makes of it what predicts.
    """

    graph: Path
    load: Callable[[Path], Predictor] = load_teacher
    _loaded: Predictor | None = field(default=None, init=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """Of the graph's files."""
        return digest_of(self.graph)

    def taught(self, batch: Examples, top_k: int) -> TaughtLists:
        """What the graph predicts; see `AnyTeacher`."""
        if self._loaded is None:
            self._loaded = self.load(self.graph)
        return lists_of(batch.video_ids, self._loaded.predict(batch.inputs).probabilities, top_k)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}


@dataclass(frozen=True)
class PoolTeacher:
    """The weighted mean of candidates' stored lists. What a candidate does not list of an example counts as zero.

    Attributes:
        ids: UTF-8 bytes [n], ascending.
        lists: Of each member, its rows in the order of `ids`.
        weights: Of the members; they sum to one.
        class_count: Of the vocabulary.
        task: What the models are for, where a candidate tells, as `Task.to_dict` does.
    """

    ids: NDArray[np.bytes_]
    lists: tuple[Predictions, ...]
    weights: tuple[float, ...]
    class_count: int
    task: dict[str, Any] | None = None

    @classmethod
    def of_pool(cls, folder: Path, names: Sequence[str]) -> PoolTeacher:
        """The mean of some candidates of a pool, in equal parts.

        Args:
            folder: Of the pool.
            names: `NAME` or `NAME@PRECISION` of candidates; may be empty where there is just one.

        Raises:
            InputError: There is no such pool, candidate or precision.
        """
        pool = CandidatePool.read(folder)
        known = [candidate.name for candidate in pool.candidates]
        if not names and len(known) > 1:
            raise InputError(
                f"expected which of the {len(known)} candidates of {folder} teach (--candidate NAME), got none named: "
                f"there are {', '.join(known[:5])}{' …' if len(known) > 5 else ''}"
            )
        asked = [name.partition("@") for name in names or known]
        if len({(name, precision) for name, _, precision in asked}) < len(asked):
            raise InputError(f"expected every candidate that teaches once, got {', '.join(names)}")
        return cls._of(pool, folder, [(name, precision, 1 / len(asked)) for name, _, precision in asked])

    @classmethod
    def of_ensemble(cls, file: Path) -> PoolTeacher:
        """The members of an ensemble by the lists of its pool.

        Raises:
            InputError: It is no ensemble, its pool is not there, or its blend is one that lists do not tell.
        """
        ensemble = Ensemble.read(file)
        if ensemble.blend != "probability":
            raise InputError(
                f"expected an ensemble that blends probabilities, since lists tell nothing of the other classes' "
                f"logits, got {file}, which blends by {ensemble.blend}: build its graph (select build), and let that "
                "teach"
            )
        folder = at_way(file.parent, ensemble.pool or "pool")
        bring(folder)
        members = [(member.name, member.precision, member.weight) for member in ensemble.members]
        return cls._of(CandidatePool.read(folder), folder, members)

    @classmethod
    def _of(cls, pool: CandidatePool, folder: Path, members: Sequence[tuple[str, str, float]]) -> PoolTeacher:
        ids = encoded(pool.labels.video_ids)
        order = np.argsort(ids, kind="stable")
        lists, tasks = [], []
        for name, precision, _ in members:
            candidate = pool[name]
            if precision and precision not in candidate.size_bytes:
                raise InputError(
                    f"expected {name} in a precision that it has ({', '.join(candidate.size_bytes)}), got {precision}"
                )
            lists.append((candidate.predictions_at(precision) if precision else candidate.predictions).take(order))
            origin = read_origin(candidate.origin, candidate.hyperparameters, folder / f"{name}.json")
            tasks += [origin.task] if isinstance(origin, Buildable) else []
        weights = np.array([weight for _, _, weight in members])
        return cls(
            ids[order],
            tuple(lists),
            tuple((weights / weights.sum()).tolist()),
            pool.labels.class_count,
            tasks[0] if tasks else None,
        )

    @cached_property
    def digest(self) -> str:
        """Of the ids, the lists and the weights."""
        found = hashlib.sha256(repr((self.weights, self.class_count)).encode())
        for array in (self.ids, *(a for each in self.lists for a in (each.top_indices, each.top_scores))):
            found.update(repr((array.dtype.str, array.shape)).encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def taught(self, batch: Examples, top_k: int) -> TaughtLists:
        """What the members list, in the mean; see `AnyTeacher`."""
        wanted = encoded(batch.video_ids)
        rows, there = places_of(wanted, self.ids)
        if not there.all():
            missing = batch.video_ids[~there]
            raise DataError(
                f"expected a pool with predictions of every example in the files, got none of {missing[0]}"
                + (f" and {len(missing) - 1} others of {len(wanted)}" if len(missing) > 1 else "")
            )
        mean = np.zeros((len(rows), self.class_count))
        for lists, weight in zip(self.lists, self.weights, strict=True):
            classes = lists.top_indices[rows].astype(np.int64)
            known = np.take_along_axis(mean, classes, axis=1)
            np.put_along_axis(mean, classes, known + weight * lists.top_scores[rows].astype(np.float64), axis=1)
        return lists_of(batch.video_ids, np.minimum(mean, 1).astype(np.float32), top_k)
