"""What Ray is asked for on behalf of a trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.gpu_memory import gpu_share, smallest_gpu_bytes, training_bytes
from gapsack.sweep.grid.points import trial_point
from gapsack.sweep.grid.schema import Grid


class TrialResources:
    """CPUs, GPUs and memory of a grid's trials, which differ from trial to trial with `resources.gpus: auto`."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    @cached_property
    def _gpu_bytes(self) -> int:
        given = self._grid.resources.gpu_memory_gib
        return smallest_gpu_bytes() if given is None else int(given * 2**30)

    @property
    def need_gpus(self) -> bool:
        """Whether trials ask for GPUs, or shares of one."""
        given = self._grid.resources.gpus
        return given == "auto" or given > 0

    def gpus(self, axes: Mapping[str, Any]) -> float:
        """GPUs of the trial at a point of the search.

        Raises:
            InputError: it is predicted to need more than a GPU has.
        """
        given = self._grid.resources.gpus
        if given != "auto":
            return float(given)
        point = trial_point(self._grid, axes)
        needed = training_bytes(point.family, point.hyperparameters, self._grid.data, point.training)
        try:
            return gpu_share(needed, self._gpu_bytes)
        except InputError as error:
            raise InputError(f"{point.name}: {error}") from error

    def bundle(self, axes: Mapping[str, Any]) -> dict[str, float]:
        """All of it, by Ray's names; bytes of memory."""
        return _without_zeros({**self._shared(), "GPU": self.gpus(axes)})

    def largest(self, points: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """The most of each kind that any of these trials needs; points that a sampler is still to propose need no less.

        Raises:
            InputError: one is predicted to need more than a GPU has.
        """
        given = self._grid.resources.gpus
        gpus = [0.0 if given == "auto" else float(given), *(self.gpus(axes) for axes in points)]
        return _without_zeros({**self._shared(), "GPU": max(gpus)})

    def _shared(self) -> dict[str, float]:
        """What every trial gets."""
        resources = self._grid.resources
        return {"CPU": float(resources.cpus), "memory": (resources.memory_gib or 0) * 2**30}


def _without_zeros(amounts: dict[str, float]) -> dict[str, float]:
    return {name: amount for name, amount in amounts.items() if amount}
