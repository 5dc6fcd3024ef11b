"""What a place that keeps sweeps must do: MLflow is one (`stores.mlflow`), a folder of plain files another.

`tests/contracts/test_tracker.py` holds every store to it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

RunOutcome = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ends, in MLflow's words; until then it is RUNNING."""


KIND_TAG = "gapsack.kind"
"""Of a run: sweep, trial or ensemble."""


@dataclass(frozen=True)
class MetricPoint:
    """A metric's value at a step, and when it was measured (milliseconds since 1970)."""

    key: str
    value: float
    step: int
    milliseconds: int

    @property
    def place(self) -> tuple[str, int]:
        """What is told once: a metric has one value at a step."""
        return self.key, self.step


@dataclass(frozen=True)
class UsedData:
    """Data that a run learnt from ("training") or was measured on ("evaluation"), known by a digest of their files."""

    name: str
    role: Literal["training", "evaluation"]
    digest: str
    source: Mapping[str, Any]


@dataclass(frozen=True)
class TrainedModel:
    """A model that a run made. Its weights stay where they are: `tags` tell the place.

    `figures` are its scores and sizes, at the step that it was made at; they are the run's as well.
    """

    name: str
    kind: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    figures: tuple[MetricPoint, ...]


@dataclass(frozen=True)
class GraphModel:
    """A built graph (a SavedModel) that becomes a model.

    Attributes:
        folder: The graph's.
        example: Inputs by name, as the graph takes them; none if nobody made any.
        facts: Of the graph, for whoever finds the model later.
        register: Name under which the store's register gets the model as a new version; None: not at all.
        alias: Of that version.
    """

    folder: Path
    example: Mapping[str, NDArray[Any]] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    register: str | None = None
    alias: str | None = None


@dataclass
class RunContent:
    """What a store has of a run: that which need not be sent again.

    Attributes:
        status: RUNNING, or an `RunOutcome`.
        params: As text.
        tags: The same.
        latest: Of each metric the value at the highest step; of several there, the last one.
        places: The (key, step) at which its metrics have values.
    """

    status: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    places: set[tuple[str, int]] = field(default_factory=set)


@dataclass(frozen=True)
class ChildRun:
    """A run below another one."""

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    started_milliseconds: int


class TrackerStore(Protocol):
    """An experiment: runs with parameters, metrics by step, tags and files. Methods may raise what the service raises;
    `may_pass` tells whether another attempt is worth it.

    Attributes:
        uri: Where the store is, with absolute paths.
        experiment_id: By which the store knows the experiment.
        view: What a person types or opens to look at the experiment.
    """

    @property
    def uri(self) -> str: ...  # noqa: D102 - the class says what each is
    @property
    def experiment_id(self) -> str: ...  # noqa: D102
    @property
    def view(self) -> str: ...  # noqa: D102

    def may_pass(self, error: Exception) -> bool:
        """Whether what failed so may succeed later: the server is away, the database is locked."""

    def create_run(
        self, name: str, tags: Mapping[str, str], *, parent: str | None = None, milliseconds: int | None = None
    ) -> str:
        """A new run, RUNNING since `milliseconds` (now if omitted); its id."""

    def resume(self, run_id: str) -> None:
        """Set an existing run back to RUNNING."""

    def content(self, run_id: str) -> RunContent | None:
        """What the store has of a run; None where there is none, or a person deleted it."""

    def children(self, parent: str) -> list[ChildRun]:
        """The runs below one, but for those that a person deleted."""

    def log(
        self,
        run_id: str,
        *,
        points: Sequence[MetricPoint] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        model: TrainedModel | None = None,
        new: bool = False,
    ) -> None:
        """Metrics, parameters (which never change their value), and last, in their order, tags (which may).

        Before them the model that the run made; its figures are metrics of the run. What is told already of a model is
        told once: unless the run is `new`, made by this process with no model so far, that must be looked up.
        """

    def artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run, over one of its name."""

    def dictionary(self, run_id: str, values: Mapping[str, Any], name: str) -> None:
        """Keep plain values as a JSON file of the run."""

    def data(self, run_id: str, data: Sequence[UsedData]) -> None:
        """The data that the run uses; those of a digest that is told already are told once."""

    def graph(self, run_id: str, graph: GraphModel) -> str | None:
        """Keep a built graph as a model of the run; what loads it, or None where models are not kept.

        Raises:
            InputError: it is to be registered, and the store has no register of models.
        """

    def end(self, run_id: str, outcome: RunOutcome, *, milliseconds: int | None = None) -> None:
        """Set the run's final status, reached at `milliseconds` (now if omitted)."""


def now_milliseconds() -> int:
    """Now, in milliseconds since 1970."""
    return int(time.time() * 1000)


def metric_points(metrics: Mapping[str, float], *, step: int = 0, milliseconds: int | None = None) -> list[MetricPoint]:
    """Metrics of one step as points."""
    at = now_milliseconds() if milliseconds is None else milliseconds
    return [MetricPoint(key, float(value), step, at) for key, value in metrics.items()]


def first_line(error: BaseException) -> str:
    """An error's message, its first line only."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
