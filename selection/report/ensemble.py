"""The outcome of a search: who is in, with which weight, how good it is, how sure that is, and what was searched."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from gapsack.selection.decimals import mib_numbers, score_text, weight_text
from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_text
from gapsack.selection.metrics.registry import recorded_metric
from gapsack.selection.pool.candidate import check_name
from gapsack.selection.report.changes import Changes
from gapsack.selection.report.explanation import Explanation
from gapsack.selection.shown import html_table
from gapsack.selection.units import MAX_SIZE_BYTES

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

FORMAT = "gapsack.ensemble/1"
WEIGHTS_SLACK = 0.005
"""How far from 1 weights may sum to: those that a person rounds to two places."""

_RIVALS = ("equal_weights", "difference_to_equal_weights", "greedy", "difference_to_greedy")
_LEFT_OUT = ("pool", "explanation", "changes", *_RIVALS)
"""Keys that a file has only where there is something to say."""

_KINDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "precision": str,
    "weight": (int, float),
    "size_bytes": int,
}


@dataclass(frozen=True)
class EnsembleMember:
    """One model of the ensemble."""

    name: str
    precision: str
    weight: float
    size_bytes: int


@dataclass(frozen=True)
class Ensemble:
    """An ensemble: the best one that a search found, or one that was written by hand.

    By hand, members and a budget are enough: nothing else is then known, and a file need not tell its format, nor its
    members' precisions (the empty word) and sizes (zero) where nobody asks for them.

    Attributes:
        members: heaviest weight first, each once; weights are positive and sum to one.
        budget_bytes: ``total_bytes + reserve_bytes`` is at most this.
        blend: whether the weighted mean is of probabilities or of their logits.
        total_bytes: of all members, tensors that they share counted once.
        shared_bytes: what the sum of the members' sizes counts more than once.
        reserve_bytes: kept free for what is not a member.
        metric: what was maximised: "gap@20", a name of ``selection.metrics.registry`` or a callable's.
        score: the metric on all items of the pool, higher being better (log loss is negated).
        tuning_score: the same on the tuning items, on which members and weights were chosen.
        gap: GAP@k on all items of the pool; k is that of the metric, else 20.
        tuning_gap: GAP@k on the tuning items.
        gap_interval: contains the GAP@k of the dense predictions for certain; no width when the lists prove it. None
            where items or classes have weights: what is proved is proved of GAP without.
        open_videos: how many items keep that interval open, and the first of their ids.
        tuning: how many items chose; their share of all, None where all chose and folds report; how many groups the
            items of the pool are in, None without groups.
        held_out: score on items by what was not chosen on them, with a bootstrap interval; None without such items.
            With ``cross_fitted``, of all ``videos`` of the ``folds``, each by what the whole search chose on the
            other folds, pooled; else of the items that were held out, and ``folds`` holds one entry for each
            repetition of the whole search on another split. ``reported`` says which in words.
        best_single: the best member to have alone within the budget.
        runner_up: the best other set of members, None when there is none.
        difference_to_best_single: on the same items: difference, interval, standard_error, within_noise. Where folds
            report, the best single model of each is that of the items that chose.
        difference_to_runner_up: the same.
        equal_weights: the same members with equal weights; None of a single member, and in files of earlier versions.
        difference_to_equal_weights: the same.
        greedy: what greedy selection with replacement (Caruana et al., 2004) takes under the same budget, of the
            probabilities; None in files of earlier versions.
        difference_to_greedy: the same.
        preference: how the choice between equals was made, in a sentence.
        notes: sentences on what limits the figures, such as lists that are cut.
        search: what was searched: strategy, counts, and why it stopped.
        seeds: of the split, the bootstrap and the search.
        versions: of what computed it.
        weighting: of items and of classes, where these counted differently: how many weights, and their digest.
        pool: the way to the pool of the members, from the folder of the file; None where nobody said.
        explanation: what each member brings, and what else there was; None unless it was asked for.
        changes: from the earlier ensemble that the search began from; None where it began from none.
    """

    members: tuple[EnsembleMember, ...]
    _: KW_ONLY
    blend: Literal["probability", "logit"] = "probability"
    total_bytes: int
    reserve_bytes: int = 0
    budget_bytes: int
    shared_bytes: int = 0
    metric: str = "gap"
    score: float | None = None
    tuning_score: float | None = None
    gap: float | None = None
    tuning_gap: float | None = None
    gap_interval: tuple[float, float] | None = None
    open_videos: dict[str, Any] = field(default_factory=dict)
    tuning: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, Any] | None = None
    best_single: dict[str, Any] | None = None
    runner_up: dict[str, Any] | None = None
    difference_to_best_single: dict[str, Any] | None = None
    difference_to_runner_up: dict[str, Any] | None = None
    equal_weights: dict[str, Any] | None = None
    difference_to_equal_weights: dict[str, Any] | None = None
    greedy: dict[str, Any] | None = None
    difference_to_greedy: dict[str, Any] | None = None
    preference: str = ""
    notes: tuple[str, ...] = ()
    search: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    weighting: dict[str, Any] = field(default_factory=dict)
    pool: str | None = None
    explanation: Explanation | None = None
    changes: Changes | None = None

    def predict(
        self, predictions: Mapping[str, ArrayLike | Mapping[str, ArrayLike]], *, output: str | None = None
    ) -> NDArray[np.float64]:
        """What the ensemble says of new items, by what its members say of them; no graph is needed.

        Args:
            predictions: probabilities [items, classes] by the name of the member, of the same items in the same order;
                of a model with several outputs, those of each by its name, as Keras gives them.
            output: which of several is meant: the one that the ensemble was chosen for.

        Returns:
            [items, classes] probabilities.

        Raises:
            InputError: a member's are missing, or do not fit the others'; it has several outputs and none is named.
        """
        from gapsack.selection.blend.whole_predictions import blended_arrays, one_output

        weights = {each.name: each.weight for each in self.members}
        arrays = {name: one_output(name, given, output) for name, given in predictions.items() if name in weights}
        return blended_arrays(weights, self.blend, arrays)

    def __repr__(self) -> str:
        members = (f"{weight_text(each.weight)} {each.name} {each.precision}".rstrip() for each in self.members)
        return f"<Ensemble {', '.join(members)}; {self._figures()}>"

    def _repr_html_(self) -> str:
        sizes = mib_numbers([each.size_bytes for each in self.members])
        rows = [
            [each.name, each.precision, weight_text(each.weight), size]
            for each, size in zip(self.members, sizes, strict=True)
        ]
        return html_table("Ensemble", ["member", "precision", "weight", "MiB"], rows, below=f"{self._figures()}.")

    def _figures(self) -> str:
        """Size and score in a line."""
        total, budget = mib_numbers([self.total_bytes, self.budget_bytes])
        size = f"{total} of {budget} MiB"
        held_out = self.held_out or {}
        if held_out.get("score") is not None:
            return f"{size}, {self.metric} {score_text(held_out['score'])} {reported(held_out)}"
        return size if self.score is None else f"{size}, {self.metric} {score_text(self.score)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in ``ensemble.json``."""
        values = {"format": FORMAT, **json.loads(json.dumps(asdict(self), allow_nan=False))}
        return {key: value for key, value in values.items() if value is not None or key not in _LEFT_OUT}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Ensemble:
        """The ensemble of plain data; keys that are not its own are left aside.

        Raises:
            InputError: another format, no members or one twice, weights that make no mean, or a key that is missing or
                of another type; names it.
        """
        if record.get("format", FORMAT) != FORMAT:
            raise InputError(f"an ensemble file has the format {FORMAT!r}; got {record.get('format')!r}.")
        members = record.get("members")
        if not isinstance(members, list | tuple) or not members:
            raise InputError("an ensemble needs members (select ensemble chooses some); got none.")
        complete = [
            {"precision": "", "size_bytes": 0, **member} if isinstance(member, Mapping) else member
            for member in members
        ]
        sizes = [member.get("size_bytes") for member in complete if isinstance(member, Mapping)]
        shared = record.get("shared_bytes", 0)
        total = sum(size for size in sizes if isinstance(size, int)) - (shared if isinstance(shared, int) else 0)
        try:
            found: Ensemble = _reader().validate_python({"total_bytes": total, **record, "members": complete})
        except ValidationError as error:
            problems = "; ".join(_problem(details) for details in error.errors(include_url=False))
            raise InputError(f"an ensemble needs members (name, weight) and budget_bytes; {problems}.") from error
        _check(found, complete)
        return replace(found, metric=recorded_metric(found.metric))

    def write(self, path: str | PathLike[str]) -> None:
        """Write ``ensemble.json``."""
        replace_text(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Ensemble:
        """Read what ``write`` or a person wrote. Raises an InputError that names the file."""
        record = read_json(path)
        if not isinstance(record, dict):
            raise InputError(f"{path}: expected an ensemble as a JSON object; got {type(record).__name__}.")
        try:
            return cls.from_dict(record)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def reported(held_out: Mapping[str, Any]) -> str:
    """How the figure of an ensemble's ``held_out`` came about: "held-out" or "cross-fitted". Older files say nothing,
    and held out.
    """
    return "cross-fitted" if held_out.get("cross_fitted") else "held-out"


def reported_on(held_out: Mapping[str, Any], items: str = "items") -> str:
    """The same at more length, such as "cross-fitted on 1,500 items in 5 folds" or "held out, 750 items".

    Args:
        held_out: of an ensemble.
        items: what there are, in the plural.
    """
    count = held_out.get("videos")
    counted = "" if not isinstance(count, int) else f"{count:,} {items.removesuffix('s') if count == 1 else items}"
    if not held_out.get("cross_fitted"):
        return f"held out, {counted}" if counted else "held out"
    folds = len(held_out.get("folds") or ())
    return f"cross-fitted on {counted or f'all {items}'} in {folds} folds"


def _check(found: Ensemble, given: Sequence[Mapping[str, Any]]) -> None:
    """Raise an InputError for what has the right form and makes no ensemble, or was cast to have it."""
    for place, typed in enumerate(given):
        for key, kinds in _KINDS.items():
            value = typed[key]
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise InputError(f"an ensemble's member has a {key} of its kind; members.{place}.{key} is {value!r}.")
    for member in found.members:
        check_name(member.name)
        if not (math.isfinite(member.weight) and member.weight >= 0):
            raise InputError(f"an ensemble's weights are positive; that of {member.name} is {member.weight!r}.")
        if member.size_bytes < 0:
            raise InputError(f"an ensemble's members have sizes; that of {member.name} is {member.size_bytes!r}.")
    names = [member.name for member in found.members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"an ensemble has each member once, in one precision; {', '.join(twice)} is there again.")
    total = math.fsum(member.weight for member in found.members)
    if abs(total - 1) > WEIGHTS_SLACK:
        raise InputError(f"an ensemble's weights sum to 1, within {WEIGHTS_SLACK:g}; these sum to {total!r}.")
    if not 0 < found.budget_bytes <= MAX_SIZE_BYTES:
        raise InputError(
            f"an ensemble's budget_bytes is above 0, at most {MAX_SIZE_BYTES}; got {found.budget_bytes!r}."
        )


@cache
def _reader() -> TypeAdapter[Ensemble]:
    return TypeAdapter(Ensemble)


def _problem(details: Any) -> str:
    key = ".".join(map(str, details["loc"]))
    if details["type"] == "missing":
        return f"{key} is not there"
    return f"{key} is {details['input']!r} ({str(details['msg']).replace('Input should be', 'it should be')})"
