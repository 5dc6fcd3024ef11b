"""What one model adds to the best ensemble of a pool under a budget."""

from __future__ import annotations

from collections.abc import Callable

from gapsack.selection.errors import BudgetError
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.search import search_ensemble
from gapsack.sweep.advice.sampled_pool import sampled
from gapsack.sweep.graphs.reserve import Reserve
from gapsack.sweep.runs.ensemble_gain import EnsembleGain


def marginal_gain(
    pool: CandidatePool,
    name: str,
    budget_bytes: int | None,
    *,
    should_stop: Callable[[], bool] | None = None,
) -> EnsembleGain | None:
    """Search the best ensemble with a candidate, and where it is a member, the best without.

    The same pool, in any order, and budget give the same gain.

    Args:
        pool: the candidate and those that it is to be compared with; of very many videos a sample is looked at.
        name: of the candidate.
        budget_bytes: the size that ensembles keep, with what a graph takes beside its members; None for any size.
        should_stop: asked between steps; once true, there is no gain to tell.

    Returns:
        The gain; None where no candidate fits the budget, or where it was asked to stop.

    Raises:
        PoolError: no such candidate.
    """
    # The order matters to the last digits alone, which a sweep that goes on is to tell the same.
    pool = CandidatePool(pool.labels, sorted(pool.candidates, key=lambda each: each.name))
    pool = sampled(pool)
    candidate = pool[name]
    others = [each for each in pool.candidates if each.name != name]
    reserve = Reserve.of(pool)
    budget = _room_for_all(pool, reserve) if budget_bytes is None else budget_bytes

    def best(candidates: CandidatePool) -> Ensemble | None:
        try:
            return search_ensemble(
                candidates,
                budget_bytes=budget,
                tune_share=1.0,  # all choose: folds would tell how good each is on new videos, at five times the time
                prefer="score",
                resamples=2,
                should_stop=should_stop,
                **reserve.options(),
            )
        except BudgetError:
            return None

    chosen = best(pool)
    if chosen is None or (should_stop is not None and should_stop()):
        return None
    score, members = float(chosen.tuning_score or 0.0), {member.name: member for member in chosen.members}
    gain = 0.0
    leaves: tuple[str, ...] = ()
    if name in members:
        rest = best(CandidatePool(pool.labels, others)) if others else None
        if should_stop is not None and should_stop():
            return None
        gain = max(score - (0.0 if rest is None else float(rest.tuning_score or 0.0)), 0.0)
        leaves = () if rest is None else tuple(each.name for each in rest.members if each.name not in members)
    member = members.get(candidate.name)
    return EnsembleGain(
        name=name,
        gain=gain,
        precision=None if member is None else member.precision,
        size_bytes=None if member is None else member.size_bytes,
        ensemble_gap=score,
        leaves=leaves,
        candidates=len(pool.candidates),
        budget_bytes=budget_bytes,
        videos=pool.labels.video_count,
    )


def _room_for_all(pool: CandidatePool, reserve: Reserve) -> int:
    members = sum(max(each.size_bytes.values()) + reserve.member_bytes for each in pool.candidates)
    return reserve.fixed_bytes + members
