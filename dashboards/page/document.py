"""One HTML document with figures in it: style, script and a packed plotly inside, and nothing that is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

import plotly.graph_objects as go

from gapsack.dashboards.figures.theme import DARK, LIGHT, Theme, recolouring
from gapsack.dashboards.page.markup import Markup, join, packed, tag

ASSETS = Path(__file__).with_name("assets")
# The browser itself refuses every address outside the file, whatever plotly or a name in the records asks for.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def document(title: str, header: Markup, sections: Iterable[Markup], figures: Mapping[str, go.Figure]) -> str:
    """A whole document.

    Args:
        title: of the window; the product's name is added.
        header: the answer, above all sections.
        sections: the rest, where `plot` marks the places of figures.
        figures: in the light theme, by the key that their places have.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · gapsack"),
        tag("style", Markup(_style())),
    )
    body = tag(
        "body",
        tag("a", "Skip to the figures and tables", href="#main", class_="skip"),
        header,
        tag("main", *sections, id="main"),
        tag("noscript", tag("p", "The figures need JavaScript; the tables do not.", class_="caution")),
        _scripts(figures),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def section(title: str, *parts: Markup | None) -> Markup | None:
    """A section with its heading, or nothing where all its parts are missing."""
    present = [part for part in parts if part is not None]
    return tag("section", tag("h2", title), *present) if present else None


def plot(key: str, figure: go.Figure, label: str) -> Markup:
    """The place of a figure, in a frame that scrolls sideways where the figure would be squeezed.

    Args:
        key: of the figure in the document.
        figure: what its height and its least width are of.
        label: what it shows, for those who cannot see it.
    """
    width = (figure.layout.meta or {}).get("narrowest")
    style = f"height:{int(figure.layout.height)}px" + (f";min-width:{width}px" if width else "")
    place = tag("div", class_="plot", data_figure=key, role="img", aria_label=label, style=style)
    return tag("div", place, class_="scroll")


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
            tag("script", packed(data), type="text/plain", id="figures"),
            tag("script", Markup((ASSETS / "report.js").read_text(encoding="utf-8"))),
        ]
    )


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
