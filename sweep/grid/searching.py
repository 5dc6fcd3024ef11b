"""The section `search`: which trials there are, listed as products and points, or proposed by a sampler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from gapsack.sweep.grid.scheduling import AnyScheduler
from gapsack.sweep.grid.section import AxisValue, Section

SAMPLER_PACKAGES = {"cmaes": "cmaes", "gp": "torch"}
"""What kinds of samplers need beside Optuna."""

Values = Annotated[tuple[AxisValue, ...], Field(strict=False, min_length=1)]
"""The values of an axis."""


def _listed(given: object) -> object:
    """One value is a list of one."""
    return given if isinstance(given, list | tuple) else (given,)


class Distribution(Section):
    """What a sampler may choose for one axis: one of `choices`, or a number from `low` to `high`.

    With `when`, the axis is there only in trials in which other axes have one of the values that it names.
    """

    choices: Values | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: PositiveInt | PositiveFloat | None = None
    log: bool = False
    when: dict[str, Annotated[Values, BeforeValidator(_listed)]] = Field(default={})

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("expected either choices, or low and high, got both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("expected choices, or both low and high")
        if not self.low < self.high:
            raise ValueError(f"expected low < high, got low {self.low} and high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected low > 0 with log: true, got {self.low}")
        if self.log and self.step is not None:
            raise ValueError("expected step or log: true, got both")
        return self

    @property
    def is_integer(self) -> bool:
        """Whether a range is of whole numbers: both ends, and the step, are written without a decimal point."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int | None)

    @property
    def is_finite(self) -> bool:
        """Whether there is an end of its values."""
        return self.choices is not None or self.is_integer or self.step is not None

    def applies(self, axes: Mapping[str, Any]) -> bool:
        """Whether a trial with these axes, those above this one, has this one as well."""
        return all(key in axes and axes[key] in values for key, values in self.when.items())


class Sampler(Section):
    """An Optuna sampler that proposes trials: GAP up and size down, GAP alone, or what the best ensemble scores.

    Attributes:
        kind: Which sampler.
        trials: How many are trained.
        seed: Of the sampler.
        space: What it chooses from, by axis.
        objective: What it is told of a trial that is done.
        max_mib: Size, in the budget's precision, beyond which nothing is trained.
        storage: URL of the database that holds the study; None for a file in the run's folder.
    """

    kind: Literal["tpe", "gp", "cmaes", "nsga2", "nsga3", "qmc", "random", "brute_force"] = "tpe"
    trials: PositiveInt
    seed: NonNegativeInt = 0
    space: Annotated[dict[str, Distribution], Field(min_length=1)]
    objective: Literal["gap_and_size", "gap", "ensemble"] = "gap_and_size"
    max_mib: PositiveFloat | None = None
    storage: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        above: dict[str, Distribution] = {}
        for key, space in self.space.items():
            for parent, values in space.when.items():
                if parent not in above:
                    raise ValueError(f"expected {key} to depend on axes above it, got when: {parent}")
                choices = above[parent].choices
                if choices is not None and (others := [value for value in values if value not in choices]):
                    raise ValueError(f"expected {key} when {parent} is one of its choices, got {others[0]}")
            above[key] = space
        if self.kind == "cmaes" and self.objective == "gap_and_size":
            raise ValueError("expected objective: gap with kind: cmaes, which knows one objective, got gap_and_size")
        endless = [key for key, space in self.space.items() if not space.is_finite]
        if self.kind == "brute_force" and endless:
            raise ValueError(f"expected choices or a step for every axis of brute_force, got none for {endless[0]}")
        return self


Product = dict[str, Values]
"""Axes of which every combination is a trial."""


def _products(given: object) -> str:
    return "several" if isinstance(given, list | tuple) else "one"


class Search(Section):
    """Which trials: the product of `grid` axes (or each of several products) and the listed `points`, or what a
    `sampler` proposes.
    """

    grid: Annotated[
        Annotated[Product, Tag("one")] | Annotated[tuple[Product, ...], Field(strict=False), Tag("several")],
        Discriminator(_products),
    ] = Field(default={})
    points: Annotated[tuple[dict[str, AxisValue], ...], Field(strict=False)] = ()
    sampler: Sampler | None = None
    scheduler: AnyScheduler = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.sampler is not None and (self.grid or self.points):
            raise ValueError("expected grid and points, or a sampler, got both")
        if self.sampler is None and not self.grid and not self.points:
            raise ValueError("expected grid, points or a sampler, got none of them")
        return self

    def of_trial(self, axes: Mapping[str, Any]) -> Self:
        """The search as the trial at `axes` has it: of all that is listed its own point alone.

        With all of them in each trial's config a run's files would grow with the square of their number.
        """
        return self if self.sampler is not None else self.model_copy(update={"grid": {}, "points": (dict(axes),)})

    @property
    def products(self) -> tuple[Product, ...]:
        """The products of axes, however many are written."""
        if isinstance(self.grid, tuple):
            return self.grid
        return (self.grid,) if self.grid else ()

    @property
    def axes(self) -> tuple[str, ...]:
        """All that varies, in the order written."""
        listed: list[Iterable[str]] = [*self.products, *self.points]
        if self.sampler is not None:
            listed.append(self.sampler.space)
        return tuple(dict.fromkeys(key for axes in listed for key in axes))
