"""Running evaluations on workers, and being stopped between them.

What is asked for does not depend on who answers: tasks, and the points that their weight searches want scored next
(``selection.blend.probes``), come in batches of fixed length and their answers are taken in order. So the number of
workers changes nothing but the time. One worker computes no point that is not needed; several compute the points of a
batch at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.blend.evaluate import BlendTask, Evaluator, Scored
from gapsack.selection.blend.probes import Probe, Request

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

# Maps an evaluator over tasks, in order. The evaluator holds the arrays and is the same object from call to call, so a
# cluster can ship it once.
Executor = Callable[[Evaluator, Sequence[BlendTask]], Iterable[Scored]]


@dataclass(frozen=True)
class SearchProgress:
    """Where a search stands.

    Attributes:
        stage: what is being done, in a few words.
        done: tasks of this stage that are finished.
        total: tasks of this stage as far as known; a stage may end sooner.
        score: the best score so far on the tuning items, None before there is one.
        members: names of the best so far.
        size_bytes: bytes of its members.
    """

    stage: str
    done: int
    total: int
    score: float | None = None
    members: tuple[str, ...] = ()
    size_bytes: int = 0


class Stopped(Exception):  # noqa: N818 - not an error: the caller goes on with the best so far
    """The search was asked to stop."""


@dataclass
class Runner:
    """Evaluates tasks on threads (the compiled loops release the GIL) or through an executor.

    Attributes:
        evaluator: what to run.
        workers: threads, when there is no executor.
        executor: maps the evaluator over tasks somewhere else.
        should_stop: asked before each batch; ``Stopped`` is raised when it says so.
        evaluations: blends scored so far, in tasks that were new.
    """

    evaluator: Evaluator
    workers: int = 1
    executor: Executor | None = None
    should_stop: Callable[[], bool] | None = None
    evaluations: int = 0
    _known: dict[BlendTask, Scored] = field(default_factory=dict, init=False)
    _threads: ThreadPoolExecutor | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        if self.executor is None and self.workers > 1:
            self._threads = ThreadPoolExecutor(self.workers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None

    def check(self) -> None:
        """Raise ``Stopped`` when the search was asked to stop."""
        if self.should_stop is not None and self.should_stop():
            raise Stopped

    def map(self, tasks: Sequence[BlendTask]) -> list[Scored]:
        """Evaluate tasks; results in their order. A task that was evaluated before costs nothing.

        Raises:
            Stopped: asked to stop; tasks that were finished stay known.
        """
        self.check()
        fresh = [task for task in dict.fromkeys(tasks) if task not in self._known]
        if self.executor is None and self._threads is None:
            for task in fresh:
                self.check()
                self._keep(task, self.evaluator(task, self.check))
        else:
            self._side_by_side(fresh)
        return [self._known[task] for task in tasks]

    def _keep(self, task: BlendTask, scored: Scored) -> None:
        self._known[task] = scored
        self.evaluations += scored.evaluations

    def _side_by_side(self, tasks: Sequence[BlendTask]) -> None:
        """All tasks at once, each going on when its requests are answered."""
        plans = [self.evaluator.plan(task) for task in tasks]
        waiting = {place: next(plan) for place, plan in enumerate(plans)}
        while waiting:
            self.check()
            answers = iter(self._answers([(tasks[place], r) for place, asked in waiting.items() for r in asked]))
            for place, requests in list(waiting.items()):
                given = [next(answers) for _ in requests]
                try:
                    waiting[place] = plans[place].send(given)
                except StopIteration as end:
                    del waiting[place]
                    self.evaluator.forget(tasks[place])
                    self._keep(tasks[place], end.value)

    def _answers(self, asked: Sequence[tuple[BlendTask, Request]]) -> list[Any]:
        """Answers to requests, point by point."""
        pieces: list[BlendTask] = []
        owners: list[int] = []
        for number, (task, request) in enumerate(asked):
            parts: Sequence[Request] = request.pieces() if isinstance(request, Probe) else [request]
            pieces += [BlendTask(task.columns, task.effort, task.blend, task.starts, part) for part in parts]
            owners += [number] * len(parts)
        found: list[list[Scored]] = [[] for _ in asked]
        for owner, scored in zip(owners, self._each(pieces, owners), strict=True):
            found[owner].append(scored)
        return [
            request.ended([score for scored in mine for score in scored.scores])
            if isinstance(request, Probe)
            else np.array(mine[0].weights)
            for (_, request), mine in zip(asked, found, strict=True)
        ]

    def _each(self, pieces: Sequence[BlendTask], owners: Sequence[int]) -> list[Scored]:
        if self.executor is not None:
            return list(self.executor(self.evaluator, pieces))
        assert self._threads is not None
        gained: dict[int, int] = {}  # by request, a piece above its bound: those after it are not needed

        def run(place: int) -> Scored:
            piece, owner = pieces[place], owners[place]
            if gained.get(owner, place) < place:
                return Scored(piece.columns, (), np.nan, piece.blend, 0, scores=(-np.inf,))
            scored = self.evaluator(piece)
            if isinstance(piece.request, Probe) and scored.scores[0] > piece.request.above:
                gained[owner] = min(gained.get(owner, place), place)
            return scored

        return list(self._threads.map(run, range(len(pieces))))
