"""Every option of a search: its name, default, range and what it means. Command lines make their options of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.registry import NAMES

if TYPE_CHECKING:
    from dataclasses import Field

    from gapsack.selection.blend.runner import Executor, SearchProgress
    from gapsack.selection.metrics.objectives import UserMetric
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.selection.subsets.space import Constraints

Blending = Literal["probability", "logit", "auto"]
Preference = Literal["auto", "measured", "score", "small", "bagged"]
FEW_ITEMS = 1_000
"""Of fewer that choose, "auto" is "bagged", which is ahead on new items there; of more it is level, or behind."""


@dataclass(frozen=True)
class Rule:
    """What is to be told of an option, and which values it takes.

    Attributes:
        help: one sentence, as a command line shows it.
        least: the least whole number.
        most: the greatest one.
        choices: the words that it takes; empty for any value.
    """

    help: str
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()

    def problem(self, name: str, value: object) -> str | None:
        """What is wrong with a value, or None."""
        if self.least is not None and (not isinstance(value, int) or value < self.least):
            return f"{name} must be a whole number of at least {self.least}; got {value!r}."
        if self.most is not None and isinstance(value, int) and value > self.most:
            return f"{name} must be a whole number of at most {self.most}; got {value!r}."
        if self.choices and value not in self.choices:
            return f"{name} must be one of {', '.join(self.choices)}; got {value!r}."
        return None


def _told(help: str, *, least: int | None = None, most: int | None = None, choices: Any = None) -> dict[str, Rule]:
    """The metadata of an option; `choices` is a Literal."""
    return {"rule": Rule(help, least, most, () if choices is None else get_args(choices))}


@dataclass(frozen=True)
class Options:
    """Options of ``search_ensemble`` and ``frontier``; all have defaults.

    Raises:
        InputError: a value outside its range.
    """

    metric: str | UserMetric = field(
        default="gap@20",
        metadata=_told(f"gap@20 (or another k), {NAMES}, or file.py:function (docs/select.md)."),
    )
    """In Python the function itself (``selection.metrics.objectives.UserObjective``)."""
    item_weights: Mapping[str, float] | None = field(
        default=None, metadata=_told("How much each item counts: a CSV, id,weight, of all of them.")
    )
    """By id."""
    class_weights: Mapping[int, float] | None = field(
        default=None, metadata=_told("How much classes count: a CSV, class,weight; others weigh 1.")
    )
    """By class."""
    blend: Blending = field(
        default="probability",
        metadata=_told("The weighted mean of probabilities or logits; auto tries both.", choices=Blending),
    )
    precisions: Sequence[str] | None = field(
        default=None, metadata=_told("Precisions that may be used; all if omitted. May be repeated.")
    )
    max_members: int | None = field(default=None, metadata=_told("At most so many members.", least=1))
    must_have: Sequence[str] = field(default=(), metadata=_told("A member in any case; repeatable."))
    never_together: Sequence[Sequence[str]] = field(
        default=(), metadata=_told("Of these, one member at most; repeatable.")
    )
    limits: Mapping[str, float] = field(
        default_factory=dict,
        metadata=_told("A further budget on a figure of the candidates' metrics: latency_ms=20."),
    )
    """The most that each figure may sum to over the members."""
    prefer: Preference = field(
        default="auto",
        metadata=_told(
            f"auto: bagged where fewer than {FEW_ITEMS:,} items choose, else measured; bagged: the mean of greedy "
            "selections on all items and on halves of them; measured: the best score, without members that gain less "
            "than noise; score: the best score; small: the smallest ensemble within noise of it.",
            choices=Preference,
        ),
    )
    """Noise is one bootstrap standard error of the difference in score on the tuning items; for ``measured``, at most
    ``selection.subsets.preference.score_error_share`` of that of the score."""
    exhaustive: bool = field(default=False, metadata=_told("Search every maximal subset in full; slow."))
    tune_share: float | None = field(
        default=None,
        metadata=_told(
            "Share of the items to tune on, the others report; if omitted all tune, and all report by cross-fitting."
        ),
    )
    """1 tunes on all and reports nothing."""
    folds: int | None = field(
        default=None,
        metadata=_told(
            "Folds of the cross-fitting: 5, from 5,000 items on 2; 1 leaves it out. With --tune-share: repeat the "
            "whole search on so many splits, 1 if omitted.",
            least=1,
            most=100,
        ),
    )
    """Of the same seed. None: ``selection.report.splits.folds_for``, or 1 where ``tune_share`` is given."""
    groups: Mapping[str, str] | None = field(
        default=None,
        metadata=_told(
            "A CSV file id,group of all items: related ones stay on one side of every split, and are drawn together."
        ),
    )
    """Group of each id of the pool."""
    confidence: float = field(default=0.95, metadata=_told("Of the bootstrap intervals."))
    start: Ensemble | None = field(
        default=None,
        metadata=_told("An earlier ensemble.json to begin from; the result is never behind it on the tuning items."),
    )
    """In Python the ensemble itself. Never behind it: where it is in the pool, within the budget and of that blend."""
    explain: bool = field(
        default=False,
        metadata=_told(
            "Say what each member brings, what others would, what a MiB is worth and what other precisions would cost."
        ),
    )
    seed: int = field(default=0, metadata=_told("Of the split, the bootstrap and the search.", least=0))
    workers: int = field(
        default=1, metadata=_told("Threads; all cores if omitted. They change the time alone.", least=1)
    )
    reserve_bytes: int = field(
        default=0, metadata=_told("Kept free of the budget for what is not a member, such as the graph.", least=0)
    )
    member_reserve_bytes: int = field(
        default=0, metadata=_told("Kept free for each member, such as its part of the graph.", least=0)
    )
    restarts: int = field(
        default=8, metadata=_told("Random starts of the local search, in pools too large to enumerate.", least=0)
    )
    search_videos: int = field(
        default=20_000,
        metadata=_told("Tuning items to search on; of more, a random sample, whose best are scored on all.", least=100),
    )
    """``selection.subsets.rounds``."""
    resamples: int = field(default=1000, metadata=_told("Bootstrap draws.", least=2))
    executor: Executor | None = None
    """Runs evaluations elsewhere (``selection.blend.runner.Executor``); replaces the threads."""
    progress: Callable[[SearchProgress], None] | None = None
    """Called with a ``selection.blend.runner.SearchProgress`` after each batch."""
    should_stop: Callable[[], bool] | None = None
    """Asked between batches; once it returns true, the best so far is returned, marked as such."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if "rule" not in each.metadata or (value is None and each.default is None):
                continue
            problem = rule_of(each).problem(each.name, value)
            if problem is not None:
                raise InputError(problem)
        if self.tune_share is not None and not 0.0 < self.tune_share <= 1.0:
            raise InputError(f"tune_share must be above 0 and at most 1; got {self.tune_share!r}.")
        if not 0.0 < self.confidence < 1.0:
            raise InputError(f"confidence must be between 0 and 1; got {self.confidence!r}.")

    def within(self, part: str) -> Options:
        """The same options for a part of a search, whose name its progress tells before each stage."""
        tell = self.progress
        if tell is None:
            return self
        return replace(self, progress=lambda progress: tell(replace(progress, stage=f"{part}: {progress.stage}")))

    def preferring(self, items: int) -> Options:
        """The same options with what "auto" prefers where so many items choose."""
        if self.prefer != "auto":
            return self
        is_bagged = items < FEW_ITEMS and not self.exhaustive  # who asks for every subset asks for the best of them
        return replace(self, prefer="bagged" if is_bagged else "measured")

    @property
    def share_that_tunes(self) -> float:
        """Share of the items that choose: all of them where folds report."""
        return 1.0 if self.tune_share is None else self.tune_share

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


def rule_of(option: Field[Any]) -> Rule:
    """The rule of one of the ``fields`` of Options."""
    rule: Rule = option.metadata["rule"]
    return rule
