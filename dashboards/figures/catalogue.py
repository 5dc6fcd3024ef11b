"""The catalogue of figures: one entry for each, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from gapsack.dashboards.figures.comparison import comparison_figure, comparison_info
from gapsack.dashboards.figures.composition import composition_figure, composition_info
from gapsack.dashboards.figures.curves import curves_figure, curves_info
from gapsack.dashboards.figures.findings import finding_of
from gapsack.dashboards.figures.frontier import frontier_figure, frontier_info
from gapsack.dashboards.figures.heat_map import heat_map_figure, heat_map_info
from gapsack.dashboards.figures.plane import plane_info
from gapsack.dashboards.figures.plane_drawing import plane_figure
from gapsack.dashboards.figures.seeds import seeds_figure
from gapsack.dashboards.figures.study import history_figure, importance_figure, slice_figure
from gapsack.dashboards.figures.theme import LIGHT, Theme
from gapsack.dashboards.records import SweepRecords


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure.

    Args:
        key: its name in files and in the page.
        title: its heading.
        caption: how to read it, in a sentence or two.
        build: draws it, or returns None where the records have nothing to show.
    """

    key: str
    title: str
    caption: str
    build: Callable[[SweepRecords, Theme], go.Figure | None]
    says: bool = False  # whether its finding is printed below its heading; to screen readers every figure tells its own

    def finding(self, records: SweepRecords) -> str:
        """What is to be seen in it, in a sentence or two; "" where there is nothing to draw."""
        return finding_of(self.key, records)


def _composition(records: SweepRecords, theme: Theme) -> go.Figure | None:
    info = composition_info(records)
    return None if info is None else composition_figure(info, theme)


def _comparison(records: SweepRecords, theme: Theme) -> go.Figure | None:
    info = comparison_info(records)
    return None if info is None else comparison_figure(info, theme)


def _plane(records: SweepRecords, theme: Theme) -> go.Figure | None:
    info = plane_info(records)
    return None if info is None else plane_figure(info, theme)


def _frontier(records: SweepRecords, theme: Theme) -> go.Figure | None:
    """A figure of its own only where the plane cannot show it: scored on other items than the models are."""
    plane, info = plane_info(records), frontier_info(records)
    if plane is not None and plane.ensembles:
        return None
    return None if info is None else frontier_figure(info, theme)


def _heat_map(records: SweepRecords, theme: Theme) -> go.Figure | None:
    info = heat_map_info(records)
    return None if info is None else heat_map_figure(info, theme)


def _loss(records: SweepRecords, theme: Theme) -> go.Figure | None:
    info = curves_info(records, "loss")
    return None if info is None else curves_figure(info, theme)


def _gap(records: SweepRecords, theme: Theme) -> go.Figure | None:
    info = curves_info(records, "gap")
    return None if info is None else curves_figure(info, theme)


FIGURES: tuple[FigureKind, ...] = (
    FigureKind(
        "plane",
        "Size and score",
        "Every finished model, and the best single model and ensemble of every size, all scored on the same items; a "
        "ring is a model that another one beats without being larger. Ensembles take their graph besides, and were "
        "chosen on these items too: what to expect on new ones is told above and compared below.",
        _plane,
    ),
    FigureKind(
        "comparison",
        "Is it really better?",
        "Differences of scores on the same items, by what was not chosen on them. A filled mark differs from zero, a "
        "hollow one is within noise. Equal weights are those of the same members; greedy selection, which adds the "
        "model that helps most, has the same budget.",
        _comparison,
        says=True,
    ),
    FigureKind(
        "composition",
        "What it is made of",
        "What each member takes of the budget, and its weight in the vote.",
        _composition,
    ),
    FigureKind(
        "frontier",
        "What another MiB buys",
        "The best ensemble of every budget, and the best single model of the same size, on items that chose neither.",
        _frontier,
    ),
    FigureKind(
        "heat_map",
        "Score by hyperparameters",
        "The best trial of each combination. Members of the ensemble have a frame.",
        _heat_map,
    ),
    FigureKind(
        "seeds",
        "What the seed makes of it",
        "Trials that differ in their seed alone: differences between models that are no larger than this are chance.",
        lambda records, theme: seeds_figure(records.seeds, theme),
    ),
    FigureKind(
        "history",
        "Trial by trial",
        "The trials in the order in which they ended, and the best score so far.",
        lambda records, theme: history_figure(records.search, theme),
    ),
    FigureKind(
        "importance",
        "What matters",
        "The share of each axis in what makes a trial one of the best (PED-ANOVA, of Optuna). Of few trials a guess.",
        lambda records, theme: importance_figure(records.search, theme),
    ),
    FigureKind(
        "slice",
        "Score by each axis",
        "Every finished trial over the values of one axis at a time; darker ones ended later.",
        lambda records, theme: slice_figure(records.search, theme),
    ),
    FigureKind("loss", "Training loss", "Mean over the steps since the point before.", _loss),
    FigureKind(
        "gap",
        "GAP while training",
        "Single checkpoints on what was held out; the axis starts where the steep climb ends.",
        _gap,
    ),
)


def build_figures(records: SweepRecords, theme: Theme = LIGHT) -> dict[str, go.Figure]:
    """Every figure that the records have data for, by key, in the catalogue's order."""
    built = ((kind.key, kind.build(records, theme)) for kind in FIGURES)
    return {key: figure for key, figure in built if figure is not None}
