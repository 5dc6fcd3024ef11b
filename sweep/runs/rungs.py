"""What early stopping leaves in a trial's folder: each comparison with other trials, and how a stopped trial ended.

rungs.json is written by the one process that decides, before the trial goes on: whoever resumes the run, and the
trial's own worker, takes decisions from there and makes none twice.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gapsack.selection.files import replace_json
from gapsack.selection.typed import read_typed
from gapsack.sweep.runs.folder import TrialFolder
from gapsack.sweep.storage.mirrored import send


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class RungReport(_Kept):
    """One comparison of a trial with those that came to the same rung before.

    Attributes:
        number: Of the comparison, in the order in which the whole run made them.
        rung: From 0, the lowest.
        step: Of the evaluation.
        gap: That it measured, on the whole hold-out.
        size_bytes: Of the model, in the budget's precision.
        compared: Trials at that rung so far, this one included.
        stop: Whether the trial ends here.
        reason: Why, in a sentence; None where it goes on.
    """

    number: int
    rung: int
    step: int
    gap: float
    size_bytes: int
    compared: int
    stop: bool
    reason: str | None = None


class RungHistory(_Kept):
    """rungs.json.

    Attributes:
        format: Of the file.
        reports: In their order.
        exempt: A person has asked for the trial to be trained to its end.
    """

    format: Literal["gapsack.rungs/1"] = "gapsack.rungs/1"
    reports: tuple[RungReport, ...] = ()
    exempt: bool = False

    @property
    def verdict(self) -> RungReport | None:
        """The comparison at which the trial ends; None where it goes on."""
        return None if self.exempt else next((report for report in self.reports if report.stop), None)

    def at(self, step: int) -> RungReport | None:
        """The comparison that was made at a step."""
        return next((report for report in self.reports if report.step == step), None)

    @classmethod
    def of(cls, trial: TrialFolder) -> RungHistory:
        """A trial's; DamagedFileError when the file holds anything else."""
        if not trial.rungs.exists():
            return cls()
        advice = "delete it, and the trial is compared anew"
        return read_typed(trial.rungs, cls, what="a trial's comparisons with others", advice=advice)

    def write(self, trial: TrialFolder) -> None:
        """Keep it in the trial's folder."""
        replace_json(trial.rungs, self.model_dump(mode="json"))
        send(trial.rungs)
