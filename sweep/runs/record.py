"""record.json: what a finished trial came to, and what it takes to repeat it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from gapsack.selection.errors import InputError
from gapsack.selection.pool.origin import StartedFrom
from gapsack.selection.typed import damaged, read_value, validated

FORMAT: Literal["gapsack.trial/1"] = "gapsack.trial/1"
FAMILY = "gapsack.trial/"
"""With which the format of any version begins."""

WHAT = "the record of a finished trial"
ADVICE = "use the version of gapsack that wrote it, or delete the file to have the trial trained again"


class FileDigest(BaseModel):
    """A file's size, and the SHA-256 of its contents in hexadecimal."""

    model_config = ConfigDict(frozen=True, strict=True)

    size_bytes: int
    sha256: str


class TrialResult(BaseModel):
    """The record of a finished trial. What has a default may be missing in a file; keys that are not here are left out.

    Attributes:
        format: Of the file.
        name: The trial's.
        run: The run's name.
        family: Of models.
        axes: What the search varied, by name.
        hyperparameters: All of the model, by name.
        training: The grid's section, as the trial was trained.
        started_from: Whose published weights it began with; None for random ones, and in a record that does not say.
        parameters: Number of weights.
        size_bytes: Exact size by precision.
        flops: Of one example's forward pass: two for each multiply-add of its matrix products and convolutions. None
            where they cannot be counted, and in a record that does not say.
        latency_ms: Median time of answering one example, in milliseconds; None where it was not measured.
        latency_measured_on: On which device and host that was; "" without.
        gap: GAP@20 on the hold-out of the weights that were kept: the score that counts.
        gap_single: That of the best checkpoint alone, at `step_single`.
        gap_averaged: That of the best average of checkpoints; None where averaging was off.
        averaging_range: First and last step of the checkpoints averaged; None where one was kept as it is.
        averaging_evaluated: First step, last step and GAP of every average that was measured.
        gap_by_precision: GAP@20 of the weights as each precision stores them.
        precisions_left_out: Precisions that cannot store these weights, and why.
        sensitivity: By what the precision `auto` chose (`sweep.trial.sensitivity`); None without it.
        videos: In the hold-out.
        steps: Done in training.
        videos_per_second: Of training; None where no step was timed.
        data_wait_share: Share of the timed steps' time that was spent waiting for data.
        fit_seconds: Wall time of the training, over all attempts.
        seeds: Of training and of the hold-out's draw.
        data: The level, and of training and held-out files what `runs.provenance.file_list_summary` tells.
        faults: Faulty records of both (`sweep.data.faults`).
        environment: Versions, machine and device.
        host: Name of the host where the last attempt ran; "" in a record that does not say.
        kernels: Name of the kernels that trained the model, "plain" or "cpu"; "" in a record that does not say.
        fingerprint: Of the trial's spec.
        files: What the record vouches for, by path from the run's folder: the arrays of the candidate, and the weights.
            Empty in a record of an earlier version.
        finished: When, in local time.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    format: Literal["gapsack.trial/1"] = FORMAT
    name: str
    run: str = ""
    family: str
    axes: dict[str, Any]
    hyperparameters: dict[str, Any]
    training: dict[str, Any] = {}
    started_from: StartedFrom | None = None
    parameters: int | None = None
    size_bytes: dict[str, int]
    flops: int | None = None
    latency_ms: float | None = None
    latency_measured_on: str = ""
    gap: float
    gap_single: float | None = None
    step_single: int | None = None
    gap_averaged: float | None = None
    averaging_range: tuple[int, int] | None = None
    averaging_evaluated: tuple[tuple[int, int, float], ...] = ()
    gap_by_precision: dict[str, float] = {}
    precisions_left_out: dict[str, str] = {}
    sensitivity: dict[str, Any] | None = None
    videos: int | None = None
    steps: int = 0
    videos_per_second: float | None = None
    data_wait_share: float | None = None
    fit_seconds: float | None = None
    seeds: dict[str, int] = {}
    data: dict[str, Any] = {}
    faults: dict[str, Any] = {}
    environment: dict[str, str] = {}
    host: str = ""
    kernels: str = ""
    fingerprint: str = ""
    files: dict[str, FileDigest] = {}
    finished: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as record.json holds them."""
        return self.model_dump(mode="json")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file.

        Raises:
            DamagedFileError: it holds none, or a value is of another type; names the file and the keys.
            InputError: it is one of another version of gapsack.
        """
        record = read_value(path, what=WHAT, advice=ADVICE)
        found = record.get("format") if isinstance(record, dict) else None
        if found == FORMAT:
            return validated(record, cls, path, what=WHAT, advice=ADVICE)
        error = damaged(path, f"the format {found!r} in place of {FORMAT!r}", what=WHAT, advice=ADVICE)
        # Another version's record is as good as ever: nothing may be trained over it.
        raise InputError(str(error)) if isinstance(found, str) and found.startswith(FAMILY) else error
