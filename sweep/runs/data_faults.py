"""What was wrong with a run's data files, as its finished trials met it: once for all trials that met the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gapsack.sweep.data.faults import told
from gapsack.sweep.runs.status import TrialState

KINDS = {"train": "training", "holdout": "held-out"}
_NAMED = 3


@dataclass(frozen=True)
class DataFaults:
    """Faults of the data that some trials read.

    Attributes:
        kind: "training" or "held-out".
        trials: Names of the trials.
        summary: As `sweep.data.faults.Faults.summary`.
        sentence: The same in words.
    """

    kind: str
    trials: tuple[str, ...]
    summary: Mapping[str, Any]
    sentence: str

    @property
    def text(self) -> str:
        """One line for a terminal."""
        more = f" and {len(self.trials) - _NAMED} more" if len(self.trials) > _NAMED else ""
        return f"{self.kind} data of {', '.join(self.trials[:_NAMED])}{more}: {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"kind": self.kind, "trials": list(self.trials), **self.summary}


def data_faults(trials: Iterable[TrialState]) -> tuple[DataFaults, ...]:
    """The faults that finished trials have recorded; those of training data first."""
    found: dict[tuple[str, str], list[TrialState]] = {}
    for trial in trials:
        for kind in KINDS if trial.record is not None else ():
            sentence = told(_summary(trial, kind))
            if sentence is not None:
                found.setdefault((kind, sentence), []).append(trial)
    return tuple(
        DataFaults(KINDS[kind], tuple(trial.plan.name for trial in those), _summary(those[0], kind), sentence)
        for (kind, sentence), those in sorted(found.items(), key=lambda item: list(KINDS).index(item[0][0]))
    )


def _summary(trial: TrialState, kind: str) -> dict[str, Any]:
    return {} if trial.record is None else dict(trial.record.faults.get(kind) or {})
