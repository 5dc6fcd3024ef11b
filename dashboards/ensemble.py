"""An ``ensemble.json`` read into plain data, for every figure and table that shows one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.records import SweepRecords
from dashboards.units import finite
from selection.errors import InputError


@dataclass(frozen=True)
class MemberInfo:
    """One member of an ensemble.

    Args:
        name: the candidate's name.
        precision: how its weights are stored.
        weight: its share of the blend, in [0, 1].
        size_bytes: what it takes of the budget.
    """

    name: str
    precision: str
    weight: float
    size_bytes: int


@dataclass(frozen=True)
class ScoreInfo:
    """A score of one contender; None where it was not measured.

    Args:
        label: what it is: the ensemble, its runner-up, the best single model.
        names: the models in it.
        gap: on all videos of the pool.
        held_out_gap: on videos that took no part in choosing.
        interval: confidence interval of `held_out_gap`.
        size_bytes: what the contender takes of the budget.
    """

    label: str
    names: tuple[str, ...]
    gap: float | None
    held_out_gap: float | None = None
    interval: tuple[float, float] | None = None
    size_bytes: int | None = None

    @property
    def best_known(self) -> float | None:
        """The held-out score, else the one on all videos."""
        return self.gap if self.held_out_gap is None else self.held_out_gap


@dataclass(frozen=True)
class EnsembleInfo:
    """What a report shows of one ensemble.

    Args:
        members: by decreasing weight.
        blend: ``probability`` or ``logit``.
        metric: name of the score.
        total_bytes: of all members and the graph's reserve.
        reserve_bytes: part of `total_bytes` that is kept for the graph itself.
        budget_bytes: what was allowed.
        score: of the ensemble.
        confidence: of the intervals, in (0, 1).
        held_out_videos: videos behind the held-out scores.
        best_single: the best model that fits the budget alone.
        runner_up: the next best ensemble.
        gain: score above the best single model, both measured on the same videos.
        gain_interval: its confidence interval.
        gain_is_held_out: whether those videos took no part in choosing.
        stop_reason: why the search ended, as a sentence.
        evaluated: blends that the search scored.
    """

    members: tuple[MemberInfo, ...]
    blend: str
    metric: str
    total_bytes: int
    reserve_bytes: int
    budget_bytes: int
    score: ScoreInfo
    confidence: float | None
    held_out_videos: int | None
    best_single: ScoreInfo | None
    runner_up: ScoreInfo | None
    gain: float | None
    gain_interval: tuple[float, float] | None
    gain_is_held_out: bool
    stop_reason: str
    evaluated: int | None

    @property
    def free_bytes(self) -> int:
        """What the budget has left."""
        return max(0, self.budget_bytes - self.total_bytes)

    def member(self, name: str) -> int | None:
        """Position of the member of that name, or None."""
        return next((index for index, member in enumerate(self.members) if member.name == name), None)


def chosen_ensemble(records: SweepRecords) -> EnsembleInfo | None:
    """The report's answer: the newest ensemble, or None where there is none yet."""
    return ensemble_info(records.ensembles[-1]) if records.ensembles else None


def ensemble_info(content: Mapping[str, Any]) -> EnsembleInfo:
    """Read the content of an ``ensemble.json``.

    Args:
        content: as :class:`selection.ensemble.Ensemble` writes it. Only members, their weights and sizes, and the
            budget are required; a score or a rival that is missing is not shown.

    Raises:
        InputError: a required field is missing.
    """
    try:
        members = [
            MemberInfo(
                name=str(member["name"]),
                precision=str(member.get("precision", "")),
                weight=float(member["weight"]),
                size_bytes=int(member["size_bytes"]),
            )
            for member in content["members"]
        ]
        budget_bytes = int(content["budget_bytes"])
    except KeyError as missing:
        raise InputError(
            f"Expected an ensemble with members (name, weight, size_bytes) and a budget_bytes; "
            f"received one without {missing.args[0]!r}."
        ) from missing
    reserve_bytes = int(content.get("reserve_bytes") or 0)
    held_out = _section(content, "held_out")
    score = ScoreInfo(
        label="Ensemble",
        names=tuple(member.name for member in members),
        gap=finite(content.get("gap")),
        held_out_gap=finite(held_out.get("gap")),
        interval=_interval(held_out.get("interval")),
        size_bytes=int(content.get("total_bytes") or sum(member.size_bytes for member in members) + reserve_bytes),
    )
    best_single = _rival(_section(content, "best_single"), "Best single")
    gain, gain_interval, gain_is_held_out = _gain(content, score, best_single)
    search = _section(content, "search")
    return EnsembleInfo(
        members=tuple(sorted(members, key=lambda member: (-member.weight, member.name))),
        blend=str(content.get("blend", "probability")),
        metric=str(content.get("metric", "gap")),
        total_bytes=score.size_bytes or 0,
        reserve_bytes=reserve_bytes,
        budget_bytes=budget_bytes,
        score=score,
        confidence=finite(held_out.get("confidence")),
        held_out_videos=_count(held_out.get("videos")),
        best_single=best_single,
        runner_up=_rival(_section(content, "runner_up"), "Runner-up"),
        gain=gain,
        gain_interval=gain_interval,
        gain_is_held_out=gain_is_held_out,
        stop_reason=str(search.get("stop_reason") or ""),
        evaluated=_count(search.get("evaluated")),
    )


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name)
    return section if isinstance(section, Mapping) else {}


def _count(value: object) -> int | None:
    number = finite(value)
    return None if number is None else int(number)


def _interval(value: object) -> tuple[float, float] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    low, high = finite(value[0]), finite(value[1])
    return None if low is None or high is None else (low, high)


def _rival(content: Mapping[str, Any], label: str) -> ScoreInfo | None:
    """The best single model has a name, a runner-up has members."""
    names = [str(content["name"])] if "name" in content else []
    names += [str(m["name"]) if isinstance(m, Mapping) else str(m) for m in content.get("members", ())]
    if not names:
        return None
    return ScoreInfo(
        label=label,
        names=tuple(names),
        gap=finite(content.get("gap")),
        held_out_gap=finite(content.get("held_out_gap")),
        interval=_interval(content.get("held_out_interval", content.get("interval"))),
        size_bytes=_count(content.get("size_bytes", content.get("total_bytes"))),
    )


def _gain(
    content: Mapping[str, Any], score: ScoreInfo, best_single: ScoreInfo | None
) -> tuple[float | None, tuple[float, float] | None, bool]:
    """The gain over the best single model: the held-out one where it is known, never a mix of the two."""
    difference = _section(content, "difference_to_best_single")
    measured = finite(difference.get("gap", difference.get("mean", difference.get("difference"))))
    if measured is not None:
        return measured, _interval(difference.get("interval")), True
    if best_single is None:
        return None, None, False
    if score.held_out_gap is not None and best_single.held_out_gap is not None:
        return score.held_out_gap - best_single.held_out_gap, None, True
    if score.gap is not None and best_single.gap is not None:
        return score.gap - best_single.gap, None, False
    return None, None, False
