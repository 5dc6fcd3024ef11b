"""Every option of a search, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from gapsack.selection.blend.runner import Executor, Progress
    from gapsack.selection.metrics.objectives import UserMetric
    from gapsack.selection.subsets.space import Constraints


@dataclass(frozen=True)
class Options:
    """Options of ``search_ensemble`` and ``frontier``; all have defaults.

    Attributes:
        reserve_bytes: bytes of the budget to keep free for what is not a member, such as the graph itself.
        member_reserve_bytes: bytes to keep free for each member beside its own, such as its part of the graph.
        precisions: which precisions may be used; None for all.
        metric: "gap@k", "map", "log_loss", or a callable (``selection.metrics.objectives.UserObjective``).
        blend: weighted mean of "probability" or "logit", or "auto" for whichever scores higher.
        max_members: at most so many members.
        must_have: names of candidates that must be members.
        never_together: groups of names, of which one at most may be a member.
        limits: further budgets: the most that a figure of the candidates' ``metrics`` may sum to over the members.
        prefer: "score" takes the best score; "small" the smallest ensemble whose score on the tuning videos is within
            one bootstrap standard error of it.
        exhaustive: take every maximal subset through every round; slow.
        tune_share: share of the videos on which to choose; the rest reports. 1 uses all and reports nothing.
        folds: how often to repeat the whole search on another split of the same seed; 1 does not.
        seed: of the split, of the bootstrap and of the local search.
        restarts: random starts of the local search (pools too large to enumerate).
        resamples: bootstrap draws.
        confidence: of the bootstrap intervals.
        workers: threads.
        executor: runs evaluations elsewhere (``selection.blend.runner.Executor``); replaces the threads.
        progress: called with a ``selection.blend.runner.Progress`` after each batch.
        should_stop: asked between batches; once it returns true, the best so far is returned, marked as such.

    Raises:
        InputError: a value outside its range.
    """

    reserve_bytes: int = 0
    member_reserve_bytes: int = 0
    precisions: Sequence[str] | None = None
    metric: str | UserMetric = "gap@20"
    blend: Literal["probability", "logit", "auto"] = "probability"
    max_members: int | None = None
    must_have: Sequence[str] = ()
    never_together: Sequence[Sequence[str]] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    prefer: Literal["score", "small"] = "score"
    exhaustive: bool = False
    tune_share: float = 0.5
    folds: int = 1
    seed: int = 0
    restarts: int = 8
    resamples: int = 1000
    confidence: float = 0.95
    workers: int = 1
    executor: Executor | None = None
    progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        for name, least in (
            ("reserve_bytes", 0),
            ("member_reserve_bytes", 0),
            ("seed", 0),
            ("restarts", 0),
            ("folds", 1),
            ("resamples", 2),
            ("workers", 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}; got {value!r}.")
        for name, allowed in (("blend", ("probability", "logit", "auto")), ("prefer", ("score", "small"))):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        if not 0.0 < self.tune_share <= 1.0:
            raise InputError(f"tune_share must be above 0 and at most 1; got {self.tune_share!r}.")
        if not 0.0 < self.confidence < 1.0:
            raise InputError(f"confidence must be between 0 and 1; got {self.confidence!r}.")

    def constraints(self, budget_bytes: int) -> Constraints:
        """The constraints of an ensemble under a budget."""
        from gapsack.selection.subsets.space import Constraints

        return Constraints(
            room_bytes=budget_bytes - self.reserve_bytes,
            member_reserve_bytes=self.member_reserve_bytes,
            limits=dict(self.limits),
            max_members=self.max_members,
            must_have=tuple(self.must_have),
            never_together=tuple(tuple(group) for group in self.never_together),
        )
