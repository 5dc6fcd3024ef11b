"""A candidate pool without a run, such as an imported one, as the plain records that reports are drawn from."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gapsack.dashboards.records import DataFacts, SweepRecords, TrialRecord
from gapsack.selection.metrics.objectives import UserMetric, objective_of, score_of_lists
from gapsack.selection.pareto import inferior
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.files import LABELS_FILE
from gapsack.selection.report.ensemble import Ensemble


def is_pool(path: Path) -> bool:
    """Whether a folder is a candidate pool."""
    return (path / LABELS_FILE).is_file()


def pool_records(folder: Path, metric: str | UserMetric | None = None) -> SweepRecords:
    """What a report on a pool shows: its models, scored here, and the ensemble that was chosen from it, if it is there.

    Args:
        folder: of the pool. An ensemble.json beside it or in the working folder is shown if it names this pool.
        metric: of the models' scores; GAP@20 where None.

    Raises:
        InputError: the pool or the ensemble cannot be read, or the metric not computed for the pool's labels.
    """
    notices: list[str] = []
    pool = CandidatePool.read(folder, left_out=notices.append)
    objective = objective_of(metric or "gap@20", pool.labels)
    scores = {each.name: score_of_lists(each.predictions, pool.labels, objective) for each in pool.candidates}
    precision = _commonest_precision(pool.candidates)
    ensemble = _ensemble_of(folder)
    return SweepRecords(
        name=folder.resolve().name,
        trials=tuple(
            TrialRecord(
                name=each.name,
                status="done",
                hyperparameters=each.hyperparameters,
                size_bytes=each.size_bytes,
                gap=scores[each.name],
            )
            for each in pool.candidates
        ),
        precision=precision,
        inferior=inferior(
            [
                Candidate(each.name, each.size_bytes, each.predictions, metrics={"gap": scores[each.name]})
                for each in pool.candidates
                if precision in each.size_bytes
            ],
            precision=precision,
        ),
        ensembles=() if ensemble is None else (ensemble,),
        budget_bytes=None if ensemble is None else ensemble.budget_bytes,
        data=DataFacts(classes=pool.labels.class_count, held_out_videos=len(pool.labels.video_ids)),
        created=time.strftime("%Y-%m-%d %H:%M"),
        notices=tuple(notices),
        metric=objective.name,
    )


def _commonest_precision(candidates: Iterable[Candidate]) -> str:
    """The one at which most models can be compared; of equals, float16, else the first that the models name."""
    counts = Counter(precision for each in candidates for precision in each.size_bytes)
    return max(counts, key=lambda precision: (counts[precision], precision == "float16"))


def _ensemble_of(folder: Path) -> Ensemble | None:
    """The ensemble.json beside the pool, or in the working folder, that was chosen from it."""
    for file in (folder.resolve().parent / "ensemble.json", Path("ensemble.json").absolute()):
        if file.is_file():
            ensemble = Ensemble.read(file)
            if ensemble.pool is not None and (file.parent / ensemble.pool).resolve() == folder.resolve():
                return ensemble
    return None
