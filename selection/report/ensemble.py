"""The outcome of a search: who is in, with which weight, how good it is, how sure that is, and what was searched."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_text

if TYPE_CHECKING:
    from os import PathLike

    from gapsack.selection.blend.evaluate import Blend

FORMAT = "gapsack.ensemble/1"


@dataclass(frozen=True)
class Member:
    """One model of the ensemble."""

    name: str
    precision: str
    weight: float
    size_bytes: int


@dataclass(frozen=True)
class Ensemble:
    """The best ensemble found.

    Attributes:
        members: heaviest weight first; weights are positive and sum to one.
        blend: whether the weighted mean is of probabilities or of their logits.
        total_bytes: of all members.
        reserve_bytes: kept free for what is not a member.
        budget_bytes: ``total_bytes + reserve_bytes`` is at most this.
        metric: what was maximised: "gap@20", "map", "log_loss" or a callable's name.
        score: the metric on all videos of the pool, higher being better (log loss is negated).
        tuning_score: the same on the tuning videos, on which members and weights were chosen.
        gap: GAP@k on all videos of the pool; k is that of the metric, else 20.
        tuning_gap: GAP@k on the tuning videos.
        gap_interval: contains the GAP@k of the dense predictions for certain; no width when the lists prove it.
        open_videos: how many videos keep that interval open, and the first of their ids.
        held_out: score on the videos that were not used to choose, with a bootstrap interval; None without such videos.
            ``folds`` holds one entry for each repetition of the whole search on another split.
        best_single: the best member to have alone within the budget.
        runner_up: the best other set of members, None when there is none.
        difference_to_best_single: on the held-out videos: difference, interval, standard_error, within_noise.
        difference_to_runner_up: the same.
        preference: how the choice between equals was made, in a sentence.
        search: what was searched: strategy, counts, and why it stopped.
        seeds: of the split, the bootstrap and the search.
        versions: of what computed it.
    """

    members: tuple[Member, ...]
    blend: Blend
    total_bytes: int
    reserve_bytes: int
    budget_bytes: int
    metric: str
    score: float
    tuning_score: float
    gap: float
    tuning_gap: float
    gap_interval: tuple[float, float]
    open_videos: dict[str, Any]
    held_out: dict[str, Any] | None
    best_single: dict[str, Any] | None
    runner_up: dict[str, Any] | None
    difference_to_best_single: dict[str, Any] | None
    difference_to_runner_up: dict[str, Any] | None
    preference: str
    search: dict[str, Any]
    seeds: dict[str, int]
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in ``ensemble.json``."""
        return {"format": FORMAT, **json.loads(json.dumps(asdict(self), allow_nan=False))}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Ensemble:
        """The ensemble of plain data; keys that others added (such as "pool") are left aside. Raises InputError."""
        if record.get("format") != FORMAT:
            raise InputError(f"an ensemble file has the format {FORMAT!r}; got {record.get('format')!r}.")
        names = [each.name for each in fields(cls)]
        missing = [name for name in names if name not in record]
        if missing:
            raise InputError(f"an ensemble file needs the keys {', '.join(names)}; {', '.join(missing)} not there.")
        parts = {name: record[name] for name in names}
        parts["members"] = tuple(Member(**member) for member in record["members"])
        parts["gap_interval"] = tuple(record["gap_interval"])
        return cls(**parts)

    def write(self, path: str | PathLike[str]) -> None:
        """Write ``ensemble.json``."""
        replace_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Ensemble:
        """Read what ``write`` wrote. Raises an InputError that names the file."""
        record = read_json(path)
        if not isinstance(record, dict):
            raise InputError(f"{path}: expected a JSON object; got {type(record).__name__}.")
        return cls.from_dict(record)
