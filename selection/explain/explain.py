"""All that is told of why an ensemble is what it is, of one that was just found or of one from a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import InputError
from gapsack.selection.explain.leave_one_out import left_out
from gapsack.selection.explain.precisions import other_precisions
from gapsack.selection.explain.price import price_of_a_mib
from gapsack.selection.explain.reporting import Reporting
from gapsack.selection.explain.swaps import with_others
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool.weighted_labels import weighted, weighting_of
from gapsack.selection.report.difference import Difference
from gapsack.selection.report.explanation import CandidateValue, Explanation, MemberValue, PrecisionValue
from gapsack.selection.report.splits import group_numbers, split_videos
from gapsack.selection.rows.alike import alike
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.find import runner_on
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.rounds import searched_on
from gapsack.selection.subsets.space import Space
from gapsack.selection.subsets.start import start_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.bootstrap import Sample
    from gapsack.selection.report.ensemble import Ensemble


def explain(pool: CandidatePool, ensemble: Ensemble, **options: Any) -> Explanation:
    """Explain an ensemble that was found earlier, by any means.

    Args:
        pool: of its members.
        ensemble: the ensemble; its budget is the one that others must keep.
        options: see ``selection.subsets.options.Options``; metric, split, seed and what is kept free of the budget are
            the ensemble's own where they are not given.

    Raises:
        InputError: an option outside its range, or a member that is not in the pool, at its precision, within the
            budget and the constraints.
    """
    checked = Options(**_options_of(ensemble, options))
    pool, notes = alike(pool)
    pool = replace(pool, labels=weighted(pool.labels, checked.item_weights, checked.class_weights))
    if weighting_of(pool.labels) != ensemble.weighting:
        raise InputError(
            "expected the item weights and class weights that the ensemble was searched with; got "
            f"{'others' if weighting_of(pool.labels) else 'none'}."
        )
    objective = objective_of(checked.metric, pool.labels)
    space = Space(pool, checked.precisions, checked.constraints(ensemble.budget_bytes))
    start = start_of(space, ensemble)
    if not start.is_allowed:
        raise InputError(f"expected an ensemble that can be explained on this pool; {' '.join(start.notes)}")
    groups = group_numbers(pool.labels, checked.groups)
    tune, _ = split_videos(pool.labels.video_count, checked.share_that_tunes, checked.seed, 0, groups)
    reporting = Reporting(pool.labels, space, objective, checked, groups)
    searched = searched_on(tune, checked)
    with runner_on(pool.labels, searched, space, objective, checked) as runner:
        board = Board(space, runner, start.blend, checked.progress)
        chosen = board.as_it_is(start.subset, start.weights, start.blend)
        board.consider(chosen)
        found = explained(pool, [board], chosen, ensemble.budget_bytes, reporting)
    return replace(found, notes=(*notes, *of_a_sample(len(searched), len(tune)), *found.notes))


def of_a_sample(searched: int, tuning: int) -> tuple[str, ...]:
    """A sentence where tuning figures are of a part of the tuning items."""
    return () if searched == tuning else (f"Tuning figures are of {searched:,} of the {tuning:,} tuning items.",)


def _options_of(ensemble: Ensemble, options: dict[str, Any]) -> dict[str, Any]:
    held_out = ensemble.held_out or {}
    own: dict[str, Any] = {
        "metric": ensemble.metric,
        "blend": ensemble.blend,
        "seed": ensemble.seeds.get("seed", 0),
        "tune_share": ensemble.tuning.get("share", held_out.get("tune_share")),
    }
    if not {"reserve_bytes", "member_reserve_bytes"} & set(options):
        own["reserve_bytes"] = ensemble.reserve_bytes
    return own | options


def explained(
    pool: CandidatePool, boards: Sequence[Board], chosen: Entry, budget_bytes: int, reporting: Reporting
) -> Explanation:
    """Explain an ensemble with what a search of it left.

    Args:
        pool: as it was searched.
        boards: of the search, on the tuning items; the first is that of the ensemble's blend.
        chosen: the ensemble, without members of weight zero.
        budget_bytes: the budget, the reserve included.
        reporting: scores ensembles on items that did not choose their weights.

    May raise ``Stopped``.
    """
    board, space = boards[0], boards[0].space
    rests = left_out(board, chosen)
    others, further = with_others(board, chosen)
    swaps = other_precisions(board, pool, chosen)
    near = [*rests.values(), *(entry for entry in others.values() if entry is not None), *(s.entry for s in swaps)]
    price = price_of_a_mib(boards, [chosen, *near], budget_bytes, reporting.options)
    gains = _gains(chosen, near, reporting)
    size = space.size_bytes(chosen.subset)
    members = []
    for number in chosen.subset:
        item, rest = space.items[number], rests.get(number)
        gain = None if rest is None else gains[rest.subset]
        members.append(
            MemberValue(
                name=item.name,
                precision=item.precision,
                freed_bytes=size - (0 if rest is None else space.size_bytes(rest.subset)),
                tuning_loss=None if rest is None else chosen.score - rest.score,
                held_out_loss=None if gain is None else Difference(0.0 - gain.difference, gain.standard_error),
                weights={} if rest is None else _weights(space, rest),
            )
        )
    precisions = [
        PrecisionValue(
            name=space.items[swap.number].name,
            taken=space.items[swap.number].precision,
            precision=swap.precision,
            added_bytes=swap.added_bytes,
            tuning_gain=swap.entry.score - chosen.score,
            held_out_gain=gains[swap.entry.subset],
            fits=space.room_bytes(chosen.subset) + swap.added_bytes <= space.constraints.room_bytes,
            predicts_the_same=swap.entry is chosen,
        )
        for swap in swaps
    ]
    told = [_candidate(space, chosen, pool.candidates[c].name, entry, gains) for c, entry in others.items()]
    notes = [] if not further else [f"{further} further candidates, of higher squared error, were not looked at."]
    return Explanation(
        members=tuple(sorted(members, key=lambda each: (-(each.tuning_loss or 0.0), each.name))),
        candidates=tuple(sorted(told, key=_by_gain)),
        precisions=tuple(sorted(precisions, key=lambda each: (-each.tuning_gain, each.name, each.precision))),
        price=price,
        tuning_score=chosen.score,
        held_out=reporting.sentence,
        notes=tuple(notes),
    )


def _gains(chosen: Entry, near: Sequence[Entry], reporting: Reporting) -> dict[tuple[int, ...], Difference | None]:
    """By subset, what ensembles score more than the chosen one on items that report."""
    entries = {entry.subset: entry for entry in (*near, chosen)}
    samples: dict[tuple[int, ...], Sample | None] = dict(
        zip(entries, reporting.samples(list(entries.values())), strict=True)
    )
    return {subset: Difference.of(sample, samples[chosen.subset]) for subset, sample in samples.items()}


def _candidate(
    space: Space,
    chosen: Entry,
    name: str,
    entry: Entry | None,
    gains: dict[tuple[int, ...], Difference | None],
) -> CandidateValue:
    if entry is None:
        return CandidateValue(name, "", (), None, None, None, {})
    items = {space.items[number].name: space.items[number] for number in entry.subset}
    leaves = []
    for number in chosen.subset:
        member = space.items[number]
        if member.name not in items:
            leaves.append(member.name)
        elif items[member.name].precision != member.precision:
            leaves.append(f"{member.name} at {items[member.name].precision}")
    return CandidateValue(
        name=name,
        precision=items[name].precision,
        leaves=tuple(leaves),
        total_bytes=space.size_bytes(entry.subset),
        tuning_gain=entry.score - chosen.score,
        held_out_gain=gains[entry.subset],
        weights=_weights(space, entry),
    )


def _weights(space: Space, entry: Entry) -> dict[str, float]:
    return {space.items[n].name: weight for n, weight in zip(entry.subset, entry.scored.weights, strict=True)}


def _by_gain(value: CandidateValue) -> tuple[bool, float, str]:
    return value.tuning_gain is None, -(value.tuning_gain or 0.0), value.name
