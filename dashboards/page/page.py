"""The page of a report: head, figures and tables in reading order, with style, script and plotly inside."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble
from gapsack.dashboards.figures.catalogue import FIGURES, build_figures
from gapsack.dashboards.figures.theme import DARK, LIGHT, Theme, recolouring
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

ASSETS = Path(__file__).with_name("assets")
# The browser itself refuses every address outside the file, whatever plotly or a name in the records asks for.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
MOST_UNFILTERED_ROWS = 20  # a longer table gets a box to search in
OWN_SECTION = ("plane", "comparison")  # figures whose heading is that of their section
TITLES = {kind.key: kind for kind in FIGURES}


def page(records: SweepRecords) -> str:
    """The whole report as one HTML document."""
    figures = build_figures(records, LIGHT)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{records.name} · gapsack"),
        tag("style", Markup(_style())),
    )
    body = tag(
        "body",
        tag("a", "Skip to the figures and tables", href="#main", class_="skip"),
        _header(records, summary_info(records), chosen_ensemble(records)),
        tag("main", *_sections(records, figures), id="main"),
        tag("noscript", tag("p", "The figures need JavaScript; the tables do not.", class_="caution")),
        _scripts(figures),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


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
        _section("Size and score", *drawn("plane")),
        _section("The ensemble", None if ensemble is None else ensemble_table(records, ensemble)),
        _section("Is it really better?", *drawn("comparison")),
        _section(
            f"{records.noun.capitalize()}s",
            _filter(records) if len(records.trials) > MOST_UNFILTERED_ROWS else None,
            trials_table(records, ensemble) if records.trials else None,
            trouble_table(records),
            data_faults_table(records),
        ),
        _folded("Why this ensemble", *explanation_parts(records.ensembles[-1] if records.ensembles else None)),
        _folded("The budget", *drawn("composition", "frontier"), earlier_table(records)),
        _folded("Hyperparameters", *drawn("heat_map"), inferior_table(records)),
        _folded("The search", *drawn("seeds", "history", "importance", "slice")),
        _folded("Training", _curves(records, figures)),
        _folded("Behind the numbers", facts_list(records)),
    ]
    return [section for section in sections if section is not None]


def _section(title: str, *parts: Markup | None) -> Markup | None:
    """A section with its heading, or nothing where all its parts are missing."""
    present = [part for part in parts if part is not None]
    return tag("section", tag("h2", title), *present) if present else None


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
    height = int(figures[key].layout.height)
    width = (figures[key].layout.meta or {}).get("narrowest")
    style = f"height:{height}px" + (f";min-width:{width}px" if width else "")
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("h3", kind.title) if kind.key not in OWN_SECTION else None,
            tag("p", finding, class_="verdict") if kind.says else None,
            tag("p", kind.caption),
        ),
        tag(
            "div",
            tag(
                "div",
                class_="plot",
                data_figure=key,
                role="img",
                aria_label=f"{kind.title}. {finding}".strip(),
                style=style,
            ),
            class_="scroll",
        ),
        figure_data(key, records),
        class_=f"figure-{key}",
    )


def _curves(records: SweepRecords, figures: Mapping[str, go.Figure]) -> Markup | None:
    plots = [plot for key in ("loss", "gap") if (plot := _figure(key, figures, records)) is not None]
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


def _scripts(figures: Mapping[str, go.Figure]) -> Markup:
    if not figures:
        return tag("script", Markup((ASSETS / "report.js").read_text(encoding="utf-8")))
    content = {
        "figures": {key: json.loads(figure.to_json()) for key, figure in figures.items()},
        "dark": recolouring(LIGHT, DARK),
    }
    data = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return join(
        [
            tag("script", Markup(_plotly()), type="text/plain", id="plotly"),
            tag("script", Markup(_packed(data)), type="text/plain", id="figures"),
            tag("script", Markup((ASSETS / "report.js").read_text(encoding="utf-8"))),
        ]
    )


def _packed(text: str) -> str:
    """Text as report.js unpacks it, the same for the same text: nothing in it can end a script element."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


@cache
def _plotly() -> str:
    """Plotly.js with the traces of flat axes alone, which report.js unpacks: a seventh of what plotly.py embeds."""
    return base64.b64encode((ASSETS / "plotly-cartesian.min.js.gz").read_bytes()).decode()


def _style() -> str:
    """The style sheet, with both themes as custom properties."""

    def properties(theme: Theme) -> str:
        return "".join(f"--{name}:{colour};" for name, colour in asdict(theme).items())

    themes = f":root{{{properties(LIGHT)}}}@media screen and (prefers-color-scheme:dark){{:root{{{properties(DARK)}}}}}"
    return themes + (ASSETS / "report.css").read_text(encoding="utf-8")
