"""What was known of a pool's models before they were trained: by the run's records, or what the pool says of others."""

from __future__ import annotations

from collections.abc import Collection

from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.sweep.advice.predicted_models import ModelPoint
from gapsack.sweep.runs.folder import RunFolder


def known_points(run: RunFolder, pool: CandidatePool, axes: Collection[str]) -> dict[str, ModelPoint]:
    """The points of all candidates, by name.

    Args:
        run: the run of the pool.
        pool: the candidates.
        axes: what the run's search varies; of models from elsewhere those of their hyperparameters are taken.

    Raises:
        InputError: a trial's record is damaged.
    """
    return {candidate.name: _point(run, candidate, axes) for candidate in pool.candidates}


def _point(run: RunFolder, candidate: Candidate, axes: Collection[str]) -> ModelPoint:
    record = run.trial(candidate.name).result()
    if record is not None:
        return ModelPoint(record.name, record.family, record.axes, record.size_bytes)
    own = {key: value for key, value in candidate.hyperparameters.items() if key in axes}
    return ModelPoint(candidate.name, str(candidate.origin.get("family", "")), own, candidate.size_bytes)
