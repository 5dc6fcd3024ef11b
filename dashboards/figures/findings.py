"""What each figure shows, in a sentence or two: for those who cannot see it, and as the verdict below its heading."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gapsack.dashboards.figures.comparison import comparison_info
from gapsack.dashboards.figures.composition import composition_info
from gapsack.dashboards.figures.frontier import frontier_info
from gapsack.dashboards.figures.plane import plane_info
from gapsack.dashboards.records import SweepRecords, best_trial
from gapsack.dashboards.units import budget_text, gap_text, mib_text, plural, settings_text, share_text
from gapsack.selection.decimals import score_text


def finding_of(key: str, records: SweepRecords) -> str:
    """The finding of a figure by its key in the catalogue; "" where there is nothing to draw.

    Raises:
        KeyError: an unknown key.
    """
    return _FINDINGS[key](records)


def _plane(records: SweepRecords) -> str:
    info = plane_info(records)
    if info is None:
        return ""
    sentences = []
    if info.ensemble is not None:
        one, single = info.ensemble, info.ensemble.single
        within = "" if info.budget_bytes is None else f", of a budget of {budget_text(info.budget_bytes)}"
        sentences.append(f"The ensemble scores {gap_text(one.gap)} in {mib_text(one.size_bytes)}{within}.")
    else:
        single = max(info.frontier, key=lambda point: point.gap, default=None)
    if single is not None:
        told = f"{single.name}, scores {gap_text(single.gap)} in {mib_text(single.size_bytes)}"
        sentences.append(f"The best single model{' within it' if info.ensemble is not None else ''}, {told}.")
    if info.ensembles:
        first, last = info.ensemble_steps[0], info.ensemble_steps[-1]
        sentences.append(_climb(first, last))
    sentences.append(f"{len(info.frontier)} of {plural(len(info.points), 'model')} on the Pareto frontier.")
    return f"{info.metric} on {info.population}. " + " ".join(sentences)


def _climb(first: tuple[int, float], last: tuple[int, float]) -> str:
    return (
        f"The best ensemble goes from {gap_text(first[1])} at {mib_text(first[0])} "
        f"to {gap_text(last[1])} at {mib_text(last[0])}."
    )


def _comparison(records: SweepRecords) -> str:
    info = comparison_info(records)
    return "" if info is None else info.verdict


def _composition(records: SweepRecords) -> str:
    info = composition_info(records)
    if info is None:
        return ""
    votes = {segment.label: segment.share for segment in info.vote}
    parts = [
        f"{part.label} {share_text(part.share)}"
        + (f" and {share_text(votes[part.label])} of the vote" if part.kind == "member" else "")
        for part in info.size
    ]
    return f"Of the budget of {budget_text(info.budget_bytes)}: {'; '.join(parts)}."


def _frontier(records: SweepRecords) -> str:
    info = frontier_info(records)
    if info is None:
        return ""
    first, last = info.ensembles[0], info.ensembles[-1]
    return _climb((first.total_bytes, first.gap), (last.total_bytes, last.gap))


def _best(records: SweepRecords) -> str:
    best = best_trial(records)
    if best is None:
        return ""
    settings = {key: value for key, value in best.hyperparameters.items() if not isinstance(value, Mapping)}
    return f"The best trial is {best.name} with {gap_text(best.gap or 0.0)}: {settings_text(settings)}."


def _seeds(records: SweepRecords) -> str:
    spread = [point for point in records.seeds if point.deviation is not None]
    widest = max(spread, key=lambda point: point.deviation or 0.0, default=None)
    if widest is None:
        return "No point has several seeds yet." if records.seeds else ""
    return f"The largest standard deviation between seeds is {gap_text(widest.deviation or 0.0)}, of {widest.name}."


def _history(records: SweepRecords) -> str:
    best = best_trial(records)
    if best is None or records.search is None or best.name not in records.search.trials:
        return ""
    ended, trials = records.search.trials.index(best.name) + 1, len(records.search.trials)
    return f"The best score, {gap_text(best.gap or 0.0)} of {best.name}, came as number {ended} of {trials}."


def _importance(records: SweepRecords) -> str:
    if records.search is None or not records.search.importances:
        return ""
    shares = ", ".join(f"{name} {share_text(share)}" for name, share in records.search.importances.items())
    return f"Shares of the axes: {shares}."


def _loss(records: SweepRecords) -> str:
    last = {trial.name: losses[-1] for trial in records.trials if (losses := [p.loss for p in trial.curve if p.loss])}
    if not last:
        return ""
    name = min(last, key=lambda trial: last[trial])
    return f"Of {plural(len(last), 'training')}, {name} has the lowest loss at its end: {score_text(last[name])}."


def _gap(records: SweepRecords) -> str:
    points = [(point.gap, trial.name, point.step) for trial in records.trials for point in trial.curve if point.gap]
    if not points:
        return ""
    score, name, step = max(points)
    return f"The highest GAP of a single checkpoint is {gap_text(score)}, of {name} at step {step:,}."


_FINDINGS: Mapping[str, Callable[[SweepRecords], str]] = {
    "plane": _plane,
    "comparison": _comparison,
    "composition": _composition,
    "frontier": _frontier,
    "heat_map": _best,
    "seeds": _seeds,
    "history": _history,
    "importance": _importance,
    "slice": _best,
    "loss": _loss,
    "gap": _gap,
}
