"""Running evaluations on workers, and being stopped between them.

Batches are cut before they are handed out and results come back in order, so the number of workers changes nothing but
the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gapsack.selection.blend.evaluate import Evaluator, Scored, Task

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

# Maps an evaluator over tasks, in order. The evaluator holds the arrays and is the same object from call to call, so a
# cluster can ship it once.
Executor = Callable[[Evaluator, Sequence[Task]], Iterable[Scored]]


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        stage: what is being done, in a few words.
        done: tasks of this stage that are finished.
        total: tasks of this stage as far as known; a stage may end sooner.
        score: the best score so far on the tuning videos, None before there is one.
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
        evaluations: blends scored so far.
    """

    evaluator: Evaluator
    workers: int = 1
    executor: Executor | None = None
    should_stop: Callable[[], bool] | None = None
    evaluations: int = 0
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

    def map(self, tasks: Sequence[Task]) -> list[Scored]:
        """Evaluate tasks; results in their order."""
        self.check()
        if self.executor is not None:
            results = list(self.executor(self.evaluator, tasks))
        elif self._threads is not None and len(tasks) > 1:
            results = list(self._threads.map(self.evaluator, tasks))
        else:
            results = [self.evaluator(task) for task in tasks]
        self.evaluations += sum(result.evaluations for result in results)
        return results
