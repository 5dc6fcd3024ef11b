"""gain.json: what a finished trial's model adds to the best ensemble of the models that there were when it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from gapsack.selection.errors import DamagedFileError
from gapsack.selection.typed import read_typed
from gapsack.selection.units import mib
from gapsack.sweep.runs.folder import TrialFolder


class EnsembleGain(BaseModel):
    """What a model adds to the best ensemble under a budget, by GAP@20 on the videos that choose it.

    Attributes:
        format: Of the file.
        name: The trial's.
        gain: GAP of the best ensemble with the model, less that of the best without it; 0 where it is no member.
        precision: That it is a member in; None where it is none.
        size_bytes: Of it in that precision; None where it is no member.
        ensemble_gap: GAP of the best ensemble with the model among the candidates.
        leaves: Candidates that are members without it, and not with it.
        candidates: Models that there were to choose from, this one included.
        budget_bytes: The size that both ensembles keep; None where the grid has no `budget.mib`, and any size goes.
        videos: That both were chosen on: all of the hold-out, or a sample.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    format: Literal["gapsack.gain/1"] = "gapsack.gain/1"
    name: str
    gain: float
    precision: str | None = None
    size_bytes: int | None = None
    ensemble_gap: float
    leaves: tuple[str, ...] = ()
    candidates: int
    budget_bytes: int | None = None
    videos: int

    @property
    def gain_per_mib(self) -> float:
        """The gain by MiB that the model takes of the budget; 0 where it is no member."""
        return 0.0 if self.size_bytes is None else self.gain / mib(self.size_bytes)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What a file holds. Raises a DamagedFileError that names it."""
        return read_typed(path, cls, what="what a trial adds to the ensemble", advice="delete it")

    @classmethod
    def of(cls, trial: TrialFolder) -> Self | None:
        """That of a trial; None where nobody has computed it, or where its file is damaged: nothing stands on it."""
        try:
            return cls.read(trial.gain) if trial.gain.exists() else None
        except DamagedFileError:
            return None
