"""The page of a report: the answer, figures and tables in reading order."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble
from gapsack.dashboards.figures.catalogue import FIGURES, build_figures
from gapsack.dashboards.figures.findings import finding_of
from gapsack.dashboards.figures.theme import LIGHT
from gapsack.dashboards.page.document import document, plot, section
from gapsack.dashboards.page.explanation import explanation_parts
from gapsack.dashboards.page.figure_data import figure_data
from gapsack.dashboards.page.markup import Markup, join, tag
from gapsack.dashboards.page.sections import (
    data_faults_table,
    earlier_table,
    ensemble_table,
    facts_list,
    inferior_table,
    swatch,
    trials_table,
    trouble_table,
)
from gapsack.dashboards.page.summary import SummaryInfo, Tile, summary_info
from gapsack.dashboards.records import SweepRecords, best_trial
from gapsack.selection.errors import InputError

MOST_UNFILTERED_ROWS = 20  # a longer table gets a box to search in
OWN_SECTION = ("plane", "comparison")  # figures whose heading is that of their section
TITLES = {kind.key: kind for kind in FIGURES}


def page(records: SweepRecords) -> str:
    """The whole report as one HTML document."""
    figures = build_figures(records, LIGHT)
    header = _header(records, summary_info(records), chosen_ensemble(records))
    return document(records.name, header, _sections(records, figures), figures)


def figure_page(key: str, records: SweepRecords) -> str:
    """One figure as an HTML document, its finding as the heading.

    Raises:
        InputError: there is nothing to draw.
    """
    figure = TITLES[key].build(records, LIGHT)
    if figure is None:
        raise InputError(f"expected something to draw as {TITLES[key].title!r} of {records.name}, got nothing")
    figures = {key: figure}
    header = tag("header", tag("p", tag("strong", records.name), class_="name"), tag("h1", finding_of(key, records)))
    return document(records.name, header, [tag("section", _figure(key, figures, records))], figures)


def _header(records: SweepRecords, summary: SummaryInfo, ensemble: EnsembleInfo | None) -> Markup:
    return tag(
        "header",
        tag("p", tag("strong", records.name), tag("span", records.created) if records.created else None, class_="name"),
        tag("h1", summary.sentence),
        _chips(ensemble) if ensemble is not None else None,
        tag("p", summary.caution, class_="caution") if summary.caution else None,
        *(tag("p", note, class_="caution") for note in (ensemble.notes if ensemble is not None else ())),
        *(tag("p", notice, class_="caution") for notice in records.notices),
        tag("ul", *(_tile(tile) for tile in summary.tiles), class_="tiles") if summary.tiles else None,
    )


def _chips(ensemble: EnsembleInfo) -> Markup:
    """The members by name, in the colours that they have throughout the report."""
    chips = (tag("li", swatch(index), member.name) for index, member in enumerate(ensemble.members))
    return tag("ul", *chips, class_="chips", aria_label="Members of the ensemble")


def _tile(tile: Tile) -> Markup:
    bar = None
    if tile.meter is not None:
        bar = tag("span", tag("span", style=f"width:{tile.meter:.1%}"), class_="meter", aria_hidden="true")
    return tag(
        "li",
        tag("span", tile.label, class_="label"),
        tag("strong", tile.value),
        bar,
        tag("span", tile.detail, class_="detail"),
    )


def _sections(records: SweepRecords, figures: Mapping[str, go.Figure]) -> list[Markup]:
    """The answer and what it rests on; what most readers do not need is folded."""
    ensemble = chosen_ensemble(records)

    def drawn(*keys: str) -> list[Markup | None]:
        return [_figure(key, figures, records) for key in keys]

    sections = [
        section("Size and score", *drawn("plane")),
        section("The ensemble", None if ensemble is None else ensemble_table(records, ensemble)),
        section("Is it really better?", *drawn("comparison")),
        section(
            f"{records.noun.capitalize()}s",
            _filter(records) if len(records.trials) > MOST_UNFILTERED_ROWS else None,
            trials_table(records, ensemble) if records.trials else None,
            trouble_table(records),
            data_faults_table(records),
        ),
        _folded(
            "Why this ensemble",
            *explanation_parts(records.ensembles[-1] if records.ensembles else None, records.data.items),
        ),
        _folded("The budget", *drawn("composition", "frontier"), earlier_table(records)),
        _folded("Hyperparameters", *drawn("heat_map"), inferior_table(records)),
        _folded("The search", *drawn("seeds", "history", "importance", "slice")),
        _folded("Training", _curves(records, figures)),
        _folded("Behind the numbers", facts_list(records)),
    ]
    return [each for each in sections if each is not None]


def _folded(title: str, *parts: Markup | None) -> Markup | None:
    """A section that is closed until a reader opens it; print opens all."""
    present = [part for part in parts if part is not None]
    if not present:
        return None
    return tag("section", tag("details", tag("summary", tag("h2", title)), *present))


def _figure(key: str, figures: Mapping[str, go.Figure], records: SweepRecords) -> Markup | None:
    if key not in figures:
        return None
    kind = TITLES[key]
    finding = kind.finding(records)
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("h3", kind.title) if kind.key not in OWN_SECTION else None,
            tag("p", finding, class_="verdict") if kind.says else None,
            tag("p", kind.caption),
        ),
        plot(key, figures[key], f"{kind.title}. {finding}".strip()),
        figure_data(key, records),
        class_=f"figure-{key}",
    )


def _curves(records: SweepRecords, figures: Mapping[str, go.Figure]) -> Markup | None:
    plots = [drawn for key in ("loss", "gap") if (drawn := _figure(key, figures, records)) is not None]
    if not plots:
        return None
    return join([_curve_controls(records), tag("div", *plots, class_="pair")])


def _curve_controls(records: SweepRecords) -> Markup:
    """Which curves to show, where some stand out of the others, and one trial to find among them."""
    some_stand_out = best_trial(records) is not None
    logged = [trial.name for trial in records.trials if trial.curve]
    choices = ("all", "All trials"), ("highlighted", "Highlighted only")
    buttons = (
        tag("button", label, type="button", data_show=key, aria_pressed="true" if key == "all" else "false")
        for key, label in choices
    )
    options = (tag("option", name, value=name) for name in logged)
    return tag(
        "div",
        tag("div", *buttons, class_="switch", role="group", aria_label="Curves to show") if some_stand_out else None,
        tag("label", "Find ", tag("select", tag("option", "no trial", value=""), *options, id="focus")),
        class_="controls",
    )


def _filter(records: SweepRecords) -> Markup:
    return tag("label", f"Show {records.noun}s with ", tag("input", type="search", id="filter"), class_="filter")
