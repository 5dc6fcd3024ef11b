"""The schema of a grid file: every key, its default and the values it takes.

The schema checks one file by itself. What a family of models accepts is checked in `sweep.grid.read`, and which
files the data patterns match is known only when a run starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    Tag,
    TypeAdapter,
    model_serializer,
    model_validator,
)

from gapsack.models import registry
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.training import Recipe
from gapsack.models.training.teaching import Teaching
from gapsack.selection.pool.origin import StartedFrom
from gapsack.selection.units import MIB
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.scheduling import scheduler_problem
from gapsack.sweep.grid.searching import Search
from gapsack.sweep.grid.section import DataPath, Scalar, Section
from gapsack.sweep.grid.video_data import Data

FAMILY = "family"
"""Key by which a point of the search says its family, where there are several."""

AUTO = "auto"
"""In `training.precisions`: the mixed precision that each trial's own sensitivity suggests."""


def _format(given: object) -> str:
    """By what the class of a data section is chosen; a file that names no format is of YouTube-8M."""
    if isinstance(given, Mapping):
        return str(given.get("format", YouTube8M.name))
    return str(getattr(given, "format", YouTube8M.name))


AnyData = Annotated[
    Annotated[Data, Tag(YouTube8M.name)] | Annotated[ArrayData, Tag("arrays")],
    Discriminator(_format),
]
"""A data section, by its `format`."""

DATA: TypeAdapter[Data | ArrayData] = TypeAdapter(AnyData)


class Model(Section):
    """The family of models, and the hyperparameters that all its trials share; or several `families`, with theirs.

    Of several families, each listed point of the search says its own.
    """

    family: Annotated[str, Field(min_length=1)] | None = None
    options: dict[str, Scalar] = Field(default={})
    families: dict[str, dict[str, Scalar]] = Field(default={})

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if self.families and (self.family is not None or self.options):
            raise ValueError("expected either a family and its options, or families, got both")
        if not self.families and self.family is None:
            raise ValueError("expected a family, or several families, got neither")
        return self

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As runs of earlier versions have it, which knew one family.
        kept: dict[str, Any] = handler(self)
        unused = ("family", "options") if self.families else ("families",)
        return {key: value for key, value in kept.items() if key not in unused}

    @property
    def names(self) -> tuple[str, ...]:
        """All families."""
        return tuple(self.families) if self.family is None else (self.family,)

    def family_of(self, axes: Mapping[str, Any]) -> str:
        """The family of the trial at `axes`."""
        return str(axes[FAMILY]) if self.family is None else self.family

    def options_of(self, family: str) -> dict[str, Scalar]:
        """The hyperparameters that all trials of a family share."""
        return self.families[family] if self.families else self.options


class Averaging(Section):
    """Checkpoint averaging: how many checkpoints are kept, and how many ranges of steps may be evaluated."""

    enabled: bool = True
    last: PositiveInt = 20
    max_evaluations: PositiveInt = 40


class Sensitivity(Section):
    """By what the precision `auto` chooses: the GAP that it may lose, on so many training videos."""

    gap_loss: NonNegativeFloat = 5e-4
    videos: PositiveInt = 1024


class Teacher(Teaching, Section):
    """Whose predictions students learn from: a folder that `sweep teach` made, relative to the grid file."""

    predictions: DataPath
    unlabelled: bool = False
    """Examples without any label take part, with the teacher's probabilities in their place."""
    digest: str | None = None
    """Of the predictions, which a run notes when it begins."""


EVERY_TRIAL = "*"
"""Among `StartFrom.sources`: what all trials begin with. No trial has that name."""


class StartFrom(Section):
    """Whose published weights trials begin with: a trial of another run, in each case the one of the same name there,
    or a file (or a trial's folder).

    In a file, also `run/trial` or a path as one string: two names are a run and its trial, anything else is a path.

    Attributes:
        run: Name of a run in the storage folder; with a slash in it, the path of its folder.
        trial: In that run; None is the trial of the same name as the one that is to be trained.
        weights: Path of a file of weights, or of a trial's folder, in place of a run.
        sources: What a run notes when it begins, by name of the trial, or for `EVERY_TRIAL`.
    """

    run: DataPath | None = None
    trial: Annotated[str, Field(min_length=1)] | None = None
    weights: DataPath | None = None
    sources: dict[str, StartedFrom] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, given: object) -> object:
        if isinstance(given, str):
            run, slash, trial = given.partition("/")
            names = slash and run not in ("", ".", "..", "~") and trial and "/" not in trial
            return {"run": run, "trial": trial} if names and not given.endswith(".npz") else {"weights": given}
        if isinstance(given, StartFrom | Mapping):
            return given
        raise ValueError("expected run/trial, the path of weights, or {run: …} with or without a trial")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.run is None) == (self.weights is None):
            raise ValueError(f"expected either a run or weights, got {'neither' if self.run is None else 'both'}")
        if self.weights is not None and self.trial is not None:
            raise ValueError(f"expected a run with a trial, got weights and the trial {self.trial}")
        return self

    @property
    def is_one(self) -> bool:
        """Whether all trials begin with the same weights."""
        return self.run is None or self.trial is not None

    def source(self, trial: str) -> StartedFrom | None:
        """What the trial of that name begins with; None before the run has noted it."""
        return self.sources.get(trial) or self.sources.get(EVERY_TRIAL)

    def located(self, place: Callable[[str], str]) -> StartFrom:
        """The section with its paths as `place` has them."""
        is_path = self.run is not None and "/" in self.run
        return self.model_copy(
            update={
                "run": place(self.run) if self.run is not None and is_path else self.run,
                "weights": None if self.weights is None else place(self.weights),
            }
        )


class Training(Recipe, Section):
    """One trial's training: what a step computes (the keys of `Recipe`, whose defaults are the paper's), and here how a
    trial goes about it.
    """

    teacher: Teacher | None = None
    start_from: StartFrom | None = None
    sample_frames: PositiveInt = 300
    seed: NonNegativeInt = 0
    checkpoint_steps: PositiveInt = 2_000
    evaluation_steps: PositiveInt | None = None
    log_steps: PositiveInt = 100
    averaging: Averaging = Averaging()
    predictions_top_k: Annotated[int, Field(ge=20)] = 100
    precisions: Annotated[tuple[str, ...], Field(strict=False)] = ("float16",)
    """Precisions, beside float32, that a trained model may be packed in; its predictions are measured in each."""
    calibration_videos: NonNegativeInt = 256
    """Training videos by which the integers of such a precision are chosen; 0 rounds to the nearest."""
    sensitivity: Sensitivity = Sensitivity()


class Budget(Section):
    """The size that the ensemble must fit; a trial that alone is larger can never be used."""

    mib: PositiveFloat | None = None
    precision: str = "float16"
    skip: bool = True

    @property
    def size_bytes(self) -> int | None:
        """The budget in bytes."""
        return None if self.mib is None else int(self.mib * MIB)


class Resources(Section):
    """What one trial gets, and how many run at once (null: as many as fit).

    `gpus` may be a share of a GPU; "auto" is the share that the trial's model is predicted to need.
    """

    cpus: PositiveFloat = 1
    gpus: NonNegativeFloat | Literal["auto"] = 0.0
    wait: bool = True
    """On a cluster whose nodes are too small for a trial: whether to wait for a node that is not."""
    gpu_memory_gib: PositiveFloat | None = None
    concurrent: PositiveInt | None = None
    retries: NonNegativeInt = 2
    memory_gib: PositiveFloat | None = None
    hours: PositiveFloat | None = None
    """Of training that a trial gets, over all its attempts; then it is stopped early. None is no limit."""
    measure_latency: bool = False
    """Whether a trial that is published is timed on one example."""

    @model_validator(mode="after")
    def _gpu_share(self) -> Self:
        if isinstance(self.gpus, float) and self.gpus > 1:
            raise ValueError(
                f"expected gpus to be 0, 1, or a share of one GPU, got {self.gpus:g}: a trial trains on one, and "
                "trials are what runs in parallel"
            )
        if self.gpu_memory_gib is not None and self.gpus != "auto":
            raise ValueError(f"expected gpu_memory_gib with gpus: auto only, got gpus: {self.gpus}")
        return self


class Tracking(Section):
    """Where the sweep is recorded: a URI (null: $MLFLOW_TRACKING_URI, else MLflow on SQLite in the working folder;
    "none": nowhere; "jsonl:…": plain files) and the experiment there.
    """

    uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)] = "gapsack"


class Grid(Section):
    """A whole grid file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    data: AnyData
    model: Model
    search: Search
    training: Training = Training()
    budget: Budget = Budget()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    storage: Annotated[str, Field(min_length=1)] = "runs"

    @model_validator(mode="after")
    def _starts_are_known(self) -> Self:
        start = self.training.start_from
        if start is not None and not start.is_one and self.search.sampler is not None:
            raise ValueError("expected training.start_from with one trial beside a sampler, got a run alone")
        return self

    @model_validator(mode="after")
    def _scheduler_fits(self) -> Self:
        scheduler = self.search.scheduler
        problem = None if scheduler is None else scheduler_problem(scheduler, self.training, self.search.axes)
        if problem is not None:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _ensemble_has_a_budget(self) -> Self:
        sampler = self.search.sampler
        if sampler is not None and sampler.objective == "ensemble" and self.budget.mib is None:
            raise ValueError("expected budget.mib beside objective: ensemble, which is the best one under it, got none")
        return self

    @model_validator(mode="after")
    def _trials_say_their_family(self) -> Self:
        if not self.model.families:
            return self
        search = self.search
        for place, product in enumerate(search.products):
            where = f"search.grid[{place}]" if isinstance(search.grid, tuple) else "search.grid"
            self._check_families(product.get(FAMILY, ()), where)
        for index, point in enumerate(search.points):
            self._check_families([point[FAMILY]] if FAMILY in point else (), f"search.points[{index}]")
        if search.sampler is not None:
            space = search.sampler.space.get(FAMILY)
            self._check_families((space and space.choices) or (), "search.sampler.space")
        return self

    def _check_families(self, given: Sequence[object], where: str) -> None:
        others = [family for family in given if family not in self.model.families]
        if others or not given:
            known = ", ".join(self.model.families)
            told = f"got {others[0]}" if others else "got none"
            raise ValueError(f"expected in {where} a family of model.families ({known}), {told}")

    def of_trial(self, name: str, axes: Mapping[str, Any], training: Training) -> Grid:
        """The grid as a trial has it: its own point and settings of training, and nothing of what others begin with."""
        start = training.start_from
        if start is not None:
            own = {key: source for key, source in start.sources.items() if key in (name, EVERY_TRIAL)}
            training = training.model_copy(update={"start_from": start.model_copy(update={"sources": own})})
        return self.model_copy(update={"search": self.search.of_trial(axes), "training": training})

    def with_start(self, start: StartFrom) -> Grid:
        """The grid with that `training.start_from`."""
        return self.model_copy(update={"training": self.training.model_copy(update={"start_from": start})})

    def shared(self, family: str) -> dict[str, Any]:
        """The hyperparameters that all trials of a family share: its options, and the data's shape."""
        return {**self.model.options_of(family), **registry.family(family).from_data(self.data.task.dimensions)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `Grid.model_validate` accepts again, with every default written out."""
        return self.model_dump(mode="json", by_alias=True)
