"""A trial's checkpoints: weights by step, for averaging, and one state from which training goes on.

    checkpoints/
    ├── fingerprint          of the trial whose files these are
    ├── weights-<step>.npz    float32, by reference names; the last few are kept
    ├── state.npz             what the trainer, the reader and the loop need to go on; always the latest
    └── averaging.json        scores of the averages evaluated so far

Every file appears whole or not at all. The weights of a step are written before the state of that step: a trial that is
killed in between goes on from the state before it, comes to the same step with the same weights, and writes them again.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import FiniteFloat

from gapsack.models.checkpoints import read_weights, write_weights
from gapsack.selection.errors import DamagedFileError, InputError
from gapsack.selection.files import remove_temporary_files, replace_json, replace_text
from gapsack.selection.typed import damaged, read_typed
from gapsack.sweep.runs.curve import CurveRow

_PROGRESS = "progress"
_TRAINER = "trainer/"


@dataclass
class TrialProgress:
    """Where a trial stands, apart from the trainer's arrays."""

    step: int = 0
    reader: dict[str, Any] | None = None
    """The `resume` of the last batch that was trained on."""
    faults: dict[str, Any] | None = None
    """`Faults.state` of the training stream."""
    curve: list[CurveRow] = field(default_factory=list)
    """Rows of `sweep.runs.curve`."""
    fit_seconds: float = 0.0
    """Wall time of the training so far, over all attempts."""
    timed_steps: int = 0
    """Steps that say how fast training is, their time, and the part of it that was spent waiting for data."""
    timed_seconds: float = 0.0
    wait_seconds: float = 0.0
    settled: bool = True
    """Whether all that was due at this step is done; an evaluation that was stopped is made up for."""

    def videos_per_second(self, batch_size: int) -> float | None:
        """Speed of the timed steps; None when there are none."""
        return self.timed_steps * batch_size / self.timed_seconds if self.timed_steps else None

    @property
    def data_wait_share(self) -> float | None:
        """Share of the timed steps' time that was spent waiting for data; None when there are none."""
        return self.wait_seconds / self.timed_seconds if self.timed_steps else None

    def scores(self) -> dict[int, float]:
        """GAP by step, where it was measured."""
        return {int(row["step"] or 0): row["gap"] for row in self.curve if row["gap"] is not None}


class Checkpoints:
    """The checkpoint files of one trial.

    Args:
        folder: made where it is missing.
        fingerprint: `TrialSpec.fingerprint`; files of a trial with another one are deleted, since going on from them
            would mix two trainings.
        check_owner: called before anything is written or deleted; raises where a newer attempt has the trial.
    """

    def __init__(self, folder: Path, fingerprint: str, check_owner: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._check_owner = check_owner
        self._owner_file = folder / "fingerprint"
        self._state_file = folder / "state.npz"
        self._averaging_file = folder / "averaging.json"
        check_owner()
        if folder.exists() and not self._is_ours(fingerprint):
            self.delete()
        if not self._is_ours(fingerprint):
            replace_text(self._owner_file, fingerprint)
        remove_temporary_files(folder)  # an earlier worker may have been killed while it wrote

    def _is_ours(self, fingerprint: str) -> bool:
        try:
            return self._owner_file.read_bytes() == fingerprint.encode()
        except OSError:
            return False

    def write_weights(self, step: int, weights: Mapping[str, NDArray[Any]]) -> None:
        """Keep the weights of a step."""
        self._check_owner()
        write_weights(self.file(step), weights)

    def read_weights(self, step: int) -> dict[str, NDArray[Any]]:
        """The weights of a step; DamagedFileError when they are not what was written."""
        return self._read(self.file(step))

    def steps(self) -> list[int]:
        """Steps whose weights are kept, ascending."""
        found = (re.fullmatch(r"weights-(\d+)\.npz", path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def keep_last(self, count: int) -> None:
        """Delete all weights but those of the last `count` steps."""
        self._check_owner()
        for step in self.steps()[:-count]:
            self.file(step).unlink()

    def write_state(self, progress: TrialProgress, trainer: Mapping[str, NDArray[Any]]) -> None:
        """Replace the state to go on from."""
        self._check_owner()
        text = json.dumps(asdict(progress)).encode()
        arrays = {_PROGRESS: np.frombuffer(text, np.uint8)}
        write_weights(self._state_file, arrays | {f"{_TRAINER}{name}": array for name, array in trainer.items()})

    def read_state(self) -> tuple[TrialProgress, dict[str, NDArray[Any]]] | None:
        """The state to go on from, or None before the first checkpoint.

        Raises:
            DamagedFileError: it is not what was written.
        """
        if not self._state_file.exists():
            return None
        arrays = self._read(self._state_file)
        try:
            progress = TrialProgress(**json.loads(arrays.pop(_PROGRESS).tobytes()))
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(self._state_file, f"another archive ({error})") from error
        return progress, {name.removeprefix(_TRAINER): array for name, array in arrays.items()}

    def write_scores(self, scores: Mapping[tuple[int, int], float]) -> None:
        """Keep the scores of averages by (first, last) step, so that an interrupted search goes on."""
        self._check_owner()
        replace_json(self._averaging_file, [[first, last, gap] for (first, last), gap in scores.items()])

    def read_scores(self) -> dict[tuple[int, int], float]:
        """What `write_scores` kept. Where that is damaged there is nothing: the averages are measured again."""
        if not self._averaging_file.exists():
            return {}
        try:
            kept = read_typed(self._averaging_file, tuple[tuple[int, int, FiniteFloat], ...], what="scores", advice="")
        except DamagedFileError:
            return {}
        return {(first, last): gap for first, last, gap in kept}

    def forget_scores(self) -> None:
        """Delete what `write_scores` kept."""
        self._check_owner()
        self._averaging_file.unlink(missing_ok=True)

    def _read(self, file: Path) -> dict[str, NDArray[Any]]:
        try:
            return read_weights(file)
        except InputError as error:
            raise self._damaged(file, f"something else ({error})") from error

    def _damaged(self, file: Path, got: str) -> DamagedFileError:
        advice = f"delete {self._folder} to have the trial trained from its beginning"
        return damaged(file, got, what="a checkpoint of the trial", advice=advice)

    def delete(self) -> None:
        """Delete everything."""
        self._check_owner()
        shutil.rmtree(self._folder, ignore_errors=True)

    def file(self, step: int) -> Path:
        """Where the weights of a step lie."""
        return self._folder / f"weights-{step:09d}.npz"
