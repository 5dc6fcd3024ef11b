"""What figures and tables show of an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gapsack.dashboards.records import SweepRecords
from gapsack.dashboards.units import finite
from gapsack.selection.decimals import interval_error, score_decimals
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.registry import title_of
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember, reported, reported_on


@dataclass(frozen=True)
class ScoreInfo:
    """Scores of one contender in the metric of the search; None where it was not measured.

    Args:
        label: what it is: the ensemble, its runner-up, the best single model.
        names: the models in it.
        everywhere: on all videos of the pool, those that it was chosen on included.
        held_out: on videos by what was not chosen on them: held out, or cross-fitted.
        interval: confidence interval of `held_out`.
        size_bytes: what its members take of the budget.
    """

    label: str
    names: tuple[str, ...]
    everywhere: float | None
    held_out: float | None = None
    interval: tuple[float, float] | None = None
    size_bytes: int | None = None

    @property
    def best_known(self) -> float | None:
        """The held-out score, else the one on all videos."""
        return self.everywhere if self.held_out is None else self.held_out


@dataclass(frozen=True)
class DifferenceInfo:
    """The ensemble's score less that of a rival, both on the same videos.

    Args:
        rival: what it is: the best single model, the runner-up.
        names: the models in it.
        difference: above zero where the ensemble is better.
        interval: its bootstrap interval, on the same draws for both; None where it was not computed.
    """

    rival: str
    names: tuple[str, ...]
    difference: float
    interval: tuple[float, float] | None

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval contains zero; None without one."""
        return None if self.interval is None else self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True)
class EnsembleInfo:
    """What a report shows of one ensemble.

    Args:
        members: by decreasing weight.
        blend: ``probability`` or ``logit``.
        metric: the metric of the search, as people write it.
        gap: GAP on all videos of the pool, whatever the metric; None where it is not known.
        reserve_bytes: kept for the graph itself.
        budget_bytes: what members and reserve may take together.
        score: of the ensemble.
        confidence: of the intervals, in (0, 1).
        held_out_videos: items behind the held-out scores.
        reported: how those came about: held-out or cross-fitted.
        reported_on: the same at more length, with how many videos and folds there are.
        notes: sentences on what limits the figures.
        best_single: the best model that fits the budget alone.
        runner_up: the next best set of members.
        gain: score above the best single model, both measured on the same videos; None for an ensemble of one.
        gain_interval: its confidence interval.
        differences: to the rivals that it was measured against, on the same videos.
        shared_bytes: of tensors that members share, which count once.
    """

    members: tuple[EnsembleMember, ...]
    blend: str
    metric: str
    gap: float | None
    reserve_bytes: int
    budget_bytes: int
    score: ScoreInfo
    confidence: float | None
    held_out_videos: int | None
    best_single: ScoreInfo | None
    runner_up: ScoreInfo | None
    gain: float | None
    gain_interval: tuple[float, float] | None
    differences: tuple[DifferenceInfo, ...] = ()
    shared_bytes: int = 0
    reported: str = "held-out"
    reported_on: str = "held out"
    notes: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """What members and reserve take of the budget."""
        return sum(member.size_bytes for member in self.members) - self.shared_bytes + self.reserve_bytes

    @property
    def gain_decimals(self) -> int:
        """Of the gain and of its interval."""
        return score_decimals([interval_error(self.gain_interval)], [self.gain])

    @property
    def free_bytes(self) -> int:
        """What the budget has left."""
        return max(0, self.budget_bytes - self.total_bytes)

    def member(self, name: str) -> int | None:
        """Position of the member of that name, or None."""
        return next((index for index, member in enumerate(self.members) if member.name == name), None)


def chosen_ensemble(records: SweepRecords) -> EnsembleInfo | None:
    """The report's answer: the newest ensemble, or None where there is none yet."""
    return ensemble_info(records.ensembles[-1], records.data.items) if records.ensembles else None


def ensemble_info(content: Ensemble, items: str = "videos") -> EnsembleInfo:
    """What a report shows of an ensemble; a score or a rival that is missing is not shown.

    Args:
        content: of its file.
        items: what it was scored on, in the plural.

    Raises:
        InputError: a member has no size.
    """
    if not all(member.size_bytes for member in content.members):
        raise InputError("expected an ensemble whose members have sizes; received one without 'size_bytes'.")
    metric = content.metric
    gap = finite(content.gap)
    held_out = content.held_out or {}
    score = ScoreInfo(
        label="Ensemble",
        names=tuple(member.name for member in content.members),
        everywhere=gap if content.score is None and is_gap(metric) else finite(content.score),
        held_out=finite(held_out.get("score", held_out.get("gap") if is_gap(metric) else None)),
        interval=interval(held_out.get("interval")),
        size_bytes=sum(member.size_bytes for member in content.members) - content.shared_bytes,
    )
    best_single = _rival(content.best_single or {}, "Best single", metric)
    # One model is its own best single model: there is no blend to gain anything.
    gain, gain_interval = (None, None) if len(content.members) == 1 else _gain(content, score, best_single)
    runner_up = _rival(content.runner_up or {}, "Runner-up", metric)
    return EnsembleInfo(
        members=tuple(sorted(content.members, key=lambda member: (-member.weight, member.name))),
        blend=content.blend,
        metric=metric_text(metric),
        gap=gap,
        reserve_bytes=content.reserve_bytes,
        budget_bytes=content.budget_bytes,
        score=score,
        confidence=finite(held_out.get("confidence")),
        held_out_videos=count(held_out.get("videos")),
        best_single=best_single,
        runner_up=runner_up,
        gain=gain,
        gain_interval=gain_interval,
        differences=_differences(content, best_single, runner_up),
        shared_bytes=content.shared_bytes,
        reported=reported(held_out),
        reported_on=reported_on(held_out, items),
        notes=content.notes,
    )


def on_all_videos(records: SweepRecords, ensemble: EnsembleInfo) -> float | None:
    """The ensemble's score on all videos of the pool in the metric of the trials; None where that is not known."""
    if records.metric == "gap@20":
        return ensemble.gap
    return ensemble.score.everywhere if ensemble.metric == metric_text(records.metric) else None


def is_gap(metric: str) -> bool:
    """Whether a metric is GAP, at whatever k."""
    return metric == "gap" or metric.startswith("gap@")


def metric_text(metric: str) -> str:
    """A metric as people write it; a callable's name stays as it is."""
    return title_of(metric)


def short_metric(text: str) -> str:
    """A metric in a table or beside a mark, where GAP need not tell that its k is 20."""
    return text.removesuffix("@20")


def count(value: object) -> int | None:
    """A whole number, or None."""
    number = finite(value)
    return None if number is None else int(number)


def interval(value: object) -> tuple[float, float] | None:
    """Low and high, or None where either is missing or not finite."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    low, high = finite(value[0]), finite(value[1])
    return None if low is None or high is None else (low, high)


def _rival(content: Mapping[str, Any], label: str, metric: str) -> ScoreInfo | None:
    """The best single model has a name, a runner-up of several models has members."""
    names = [str(content["name"])] if "name" in content else []
    names += [str(m["name"]) if isinstance(m, Mapping) else str(m) for m in content.get("members", ())]
    if not names:
        return None
    return ScoreInfo(
        label=label,
        names=tuple(names),
        everywhere=finite(content.get("gap")) if is_gap(metric) else None,
        held_out=finite(content.get("held_out_score", content.get("held_out_gap") if is_gap(metric) else None)),
        interval=interval(content.get("interval")),
        size_bytes=count(content.get("size_bytes")),
    )


def _differences(
    content: Ensemble, best_single: ScoreInfo | None, runner_up: ScoreInfo | None
) -> tuple[DifferenceInfo, ...]:
    """To each rival, once where several are one; an ensemble of one is no rival of itself."""
    told: list[DifferenceInfo] = []
    equal, greedy = (_rival(given or {}, "", content.metric) for given in (content.equal_weights, content.greedy))
    rivals = (
        ("the best single model", best_single, content.difference_to_best_single),
        ("the runner-up", runner_up, content.difference_to_runner_up),
        ("equal weights", equal, content.difference_to_equal_weights),
        ("greedy selection", greedy, content.difference_to_greedy),
    )
    for rival, score, measured in rivals:
        difference = finite((measured or {}).get("difference"))
        if score is None or measured is None or difference is None:
            continue
        if len(content.members) == 1 and rival == "the best single model":
            continue
        one = DifferenceInfo(rival, score.names, difference, interval(measured.get("interval")))
        same = next((place for place, each in enumerate(told) if replace(each, rival=rival) == one), None)
        if same is None:
            told.append(one)
        else:
            earlier = told[same].rival.replace(" and ", ", ")
            told[same] = replace(told[same], rival=f"{earlier} and {rival.removeprefix('the ')}")
    return tuple(told)


def _gain(
    content: Ensemble, score: ScoreInfo, best_single: ScoreInfo | None
) -> tuple[float | None, tuple[float, float] | None]:
    """The gain over the best single model: the held-out one where it is known, never a mix of the two."""
    difference = content.difference_to_best_single or {}
    measured = finite(difference.get("difference"))
    if measured is not None:
        return measured, interval(difference.get("interval"))
    if best_single is None:
        return None, None
    for mine, theirs in ((score.held_out, best_single.held_out), (score.everywhere, best_single.everywhere)):
        if mine is not None and theirs is not None:
            return mine - theirs, None
    return None, None
