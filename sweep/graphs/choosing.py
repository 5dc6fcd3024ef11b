"""`select ensemble` and `select frontier`: what a person types into options of a search, and where its result goes."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.sweep.atomic import replace_json
from gapsack.sweep.runs.sources import Source

MIB = 2**20


@dataclass(frozen=True)
class Search:
    """What both commands ask of a search, as it was typed.

    Args:
        metric: see `load_metric`.
        blend: probability, logit or auto.
        precisions: those that may be used; None for all.
        max_members: at most so many.
        must_have: names of members.
        never_together: names parted by commas, of which one at most may be a member.
        limits: see `parse_limits`.
        tune_share: share of the videos that tune.
        seed: of all random choices.
        workers: threads; None for one a core.
    """

    metric: str
    blend: str
    precisions: Sequence[str] | None
    max_members: int | None
    must_have: Sequence[str]
    never_together: Sequence[str]
    limits: Sequence[str]
    tune_share: float
    seed: int
    workers: int | None

    def options(self) -> dict[str, Any]:
        """As `search_ensemble` and `frontier` take them.

        Raises:
            InputError: an option that says nothing sensible.
        """
        return {
            "metric": load_metric(self.metric),
            "blend": self.blend,
            "precisions": self.precisions,
            "max_members": self.max_members,
            "must_have": list(self.must_have),
            "never_together": [[name.strip() for name in text.split(",")] for text in self.never_together],
            "limits": parse_limits(self.limits),
            "tune_share": self.tune_share,
            "seed": self.seed,
            "workers": self.workers or os.cpu_count() or 1,
        }


def budget_bytes(budget_mb: float) -> int:
    """A budget in MB, which are MiB, in bytes.

    Raises:
        InputError: not above zero.
    """
    if not budget_mb > 0:
        raise InputError(f"expected a budget above 0 MB, got {budget_mb:g}")
    return int(budget_mb * MIB)


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Further budgets by figure, of options such as `latency_ms=20`.

    Raises:
        InputError: not of that form.
    """
    limits = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            limits[key] = float(value)
        except ValueError:
            raise InputError(f"expected a limit as figure=number, such as latency_ms=20, got {text!r}") from None
    return limits


def load_metric(text: str) -> Any:
    """A metric by name, or the function that `file.py:function` names.

    Raises:
        InputError: the file or the function is not there.
    """
    file, colon, name = text.rpartition(":")
    if not colon:
        return text
    spec = importlib.util.spec_from_file_location("gapsack_user_metric", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise InputError(f"expected a metric as gap@20, map, log_loss or file.py:function, got {text!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"expected a function {name} in {file}, got none")
    return function


def write_ensemble(record: dict[str, Any], path: Path, pool: Path) -> dict[str, Any]:
    """Write `ensemble.json` with the way to its pool, so that `select build` finds the members."""
    record = {**record, "pool": os.path.relpath(pool, path.absolute().parent)}
    replace_json(path, record)
    return record


def default_output(source: Source, given: Path | None) -> Path:
    """Where ensemble.json goes: as given, into the pool's run, or into the working folder."""
    return given if given is not None else source.beside("ensemble_file", "ensemble.json")
