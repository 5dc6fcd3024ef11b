"""The options of a search as the keywords of functions: seen by type checkers, and by whoever asks for help.

`Options` has them, with defaults, ranges and what they mean. `SearchOptions` says the same names and types to type
checkers, which cannot read them off a dataclass; a test holds both together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from gapsack.selection.subsets.options import Blending, Options, Preference, rule_of

if TYPE_CHECKING:
    from gapsack.selection.blend.runner import Executor, SearchProgress
    from gapsack.selection.metrics.objectives import UserMetric
    from gapsack.selection.report.ensemble import Ensemble

Function = TypeVar("Function", bound=Callable[..., Any])


class SearchOptions(TypedDict, total=False):
    """Keywords of `search_ensemble` and `frontier`; see `selection.subsets.options.Options`."""

    metric: str | UserMetric
    item_weights: Mapping[str, float] | None
    class_weights: Mapping[int, float] | None
    blend: Blending
    precisions: Sequence[str] | None
    max_members: int | None
    must_have: Sequence[str]
    never_together: Sequence[Sequence[str]]
    limits: Mapping[str, float]
    prefer: Preference
    exhaustive: bool
    tune_share: float | None
    folds: int | None
    groups: Mapping[str, str] | None
    confidence: float
    start: Ensemble | None
    explain: bool
    seed: int
    workers: int
    reserve_bytes: int
    member_reserve_bytes: int
    restarts: int
    search_videos: int
    resamples: int
    executor: Executor | None
    progress: Callable[[SearchProgress], None] | None
    should_stop: Callable[[], bool] | None


def with_named_options(function: Function) -> Function:
    """The function with the options named in its signature and in its help, in place of `**options`."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default_factory() if each.default_factory is not MISSING else each.default,
            annotation=each.type,
        )
        for each in fields(Options)
    ]
    function.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    told = [f"    {each.name}: {rule_of(each).help}" for each in fields(Options) if "rule" in each.metadata]
    function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *told])
    return function
