"""What a sampler is told of a finished trial: a number for each of its objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

Direction = Literal["maximize", "minimize"]


class FinishedTrial(NamedTuple):
    """A trial that is done, as far as a sampler may be told of it.

    Attributes:
        name: The trial's.
        axes: Its point of the search.
        gap: GAP@20 on the hold-out.
        size_bytes: Exact size in the budget's precision.
    """

    name: str
    axes: Mapping[str, Any]
    gap: float
    size_bytes: int


class Scores(Protocol):
    """Makes a finished trial's scores, in the order of `directions`.

    Each trial is scored once, when it is done. In a run that goes on those come first, in the order of the plan, that
    were done before and that the study lacks.
    """

    @property
    def directions(self) -> Mapping[str, Direction]:
        """Each objective by name, and whether it is to be large or small."""

    def __call__(self, trial: FinishedTrial) -> tuple[float, ...]:
        """The scores of a trial."""


class GapAlone:
    """GAP, to be large."""

    @property
    def directions(self) -> Mapping[str, Direction]:
        """See `Scores`."""
        return {"gap": "maximize"}

    def __call__(self, trial: FinishedTrial) -> tuple[float, ...]:
        """See `Scores`."""
        return (trial.gap,)


class GapAndSize:
    """GAP, to be large, and size in bytes, to be small."""

    @property
    def directions(self) -> Mapping[str, Direction]:
        """See `Scores`."""
        return {"gap": "maximize", "size_bytes": "minimize"}

    def __call__(self, trial: FinishedTrial) -> tuple[float, ...]:
        """See `Scores`."""
        return trial.gap, float(trial.size_bytes)


class EnsembleScore:
    """GAP of the best ensemble under the budget of what is trained by then, to be large."""

    def __init__(self, best: Callable[[], float]) -> None:
        self._best = best

    @property
    def directions(self) -> Mapping[str, Direction]:
        """See `Scores`."""
        return {"ensemble_gap": "maximize"}

    def __call__(self, trial: FinishedTrial) -> tuple[float, ...]:
        """See `Scores`; the trial's model is in the run's pool."""
        return (self._best(),)


OBJECTIVES: dict[str, type[GapAlone | GapAndSize]] = {"gap": GapAlone, "gap_and_size": GapAndSize}
"""By the name of `search.sampler.objective`."""
