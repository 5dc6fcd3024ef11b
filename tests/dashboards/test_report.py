from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs_version

from gapsack.dashboards.figures.catalogue import FIGURES
from gapsack.dashboards.page.document import ASSETS
from gapsack.dashboards.records import SweepRecords, TrialRecord
from gapsack.dashboards.report import write_report
from gapsack.selection.errors import InputError
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember

VOID = {"meta", "br", "input"}
# The plane shows the frontier, where that is of the same items.
IN_THE_PAGE = [kind.key for kind in FIGURES if kind.key != "frontier"]


class Page(HTMLParser):
    """Collects elements, checks that they nest, and keeps the text of scripts apart."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] in ("script", "style") else self.texts).append(data)

    @property
    def figures(self) -> list[str]:
        return [str(attributes["data-figure"]) for _, attributes in self.elements if "data-figure" in attributes]

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.unpacked[-1]))

    @property
    def unpacked(self) -> list[str]:
        """What report.js unpacks: plotly.js, and the figures."""
        return [gzip.decompress(base64.b64decode(text)).decode() for text in self.scripts if text.startswith("H4sI")]


def test_a_full_report_has_every_figure_in_one_file(records: SweepRecords, tmp_path: Path) -> None:
    path = write_report(tmp_path / "deep" / "report.html", records)
    page = Page(path)
    assert page.open == []
    assert sorted(page.figures) == sorted(IN_THE_PAGE)
    assert set(page.data["figures"]) == set(page.figures)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    assert path.stat().st_size < 1_000_000


def test_a_report_of_a_thousand_models_is_small(records: SweepRecords, tmp_path: Path) -> None:
    first = records.trials[0]
    many = tuple(
        replace(first, name=f"K{n}-H64", gap=0.7 + n / 1e4, size_bytes={"float16": 10**6 + n}, curve=())
        for n in range(1000)
    )
    inferior = {each.name: "K8-H128" for each in many}
    path = write_report(tmp_path / "report.html", replace(records, trials=many, inferior=inferior))
    assert path.stat().st_size < 1_500_000


def test_the_packed_plotly_is_of_the_version_that_builds_the_figures() -> None:
    head = gzip.decompress((ASSETS / "plotly-cartesian.min.js.gz").read_bytes())[:200].decode()
    version = re.search(r"v(\d+)\.\d+\.\d+", head)
    assert version is not None
    assert version[1] == get_plotlyjs_version().split(".")[0]


def test_the_answer_and_what_it_rests_on_are_open_and_the_rest_is_folded(records: SweepRecords, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report.html", records).read_text(encoding="utf-8")
    body = text[text.index("<body>") : text.index("<script")]
    assert body.count('<details class="data">') == len(IN_THE_PAGE)
    order = re.findall(r"<(details|h2)>(?:<summary><h2>)?([^<]*)", body)
    assert order == [
        ("h2", "Size and score"),
        ("h2", "The ensemble"),
        ("h2", "Is it really better?"),
        ("h2", "Trials"),
        ("details", "The budget"),
        ("details", "Hyperparameters"),
        ("details", "The search"),
        ("details", "Training"),
        ("details", "Behind the numbers"),
    ]
    assert body.index('class="verdict"') < body.index('data-figure="comparison"')


def test_every_figure_tells_its_finding_to_who_cannot_see_it(records: SweepRecords, tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "report.html", records))
    told = {str(a["data-figure"]): str(a["aria-label"]) for _, a in page.elements if "data-figure" in a}
    titles = {kind.key: kind.title for kind in FIGURES}
    assert all(re.match(re.escape(titles[key]) + r"[.] .*\d.*[.]$", label) for key, label in told.items()), told
    assert "The ensemble scores 0.8800 in 9.50 MiB, of a budget of 10 MiB." in told["plane"]
    assert "K16-H128, scores 0.8700 in 6.00 MiB" in told["plane"]
    assert "Better than the best single model" in told["comparison"]


def test_what_limits_the_figures_of_the_ensemble_is_said(
    records: SweepRecords, ensemble: dict[str, Any], tmp_path: Path
) -> None:
    notes = ["Lists are cut at different lengths.", "2 of 5 folds <reported>."]
    told = replace(records, ensembles=(Ensemble.from_dict({**ensemble, "notes": notes}),))
    page = Page(write_report(tmp_path / "report.html", told))
    assert [text for text in page.texts if text in notes] == notes


def test_nothing_is_loaded_from_anywhere(records: SweepRecords, tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "report.html", records))
    loading = {"src", "href", "srcset", "data", "poster", "action", "background", "xlink:href"}
    asked = [(tag, attributes) for tag, attributes in page.elements if set(attributes) & loading]
    assert [(tag, attributes["href"]) for tag, attributes in asked] == [("a", "#main")]
    assert not {tag for tag, _ in page.elements} & {"link", "iframe", "img", "object", "embed", "base"}
    assert not [text for text in page.scripts if re.search(r"https?:|@import|url\(", text)]
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


@pytest.mark.parametrize("keep", [slice(0, 0), slice(0, 1), slice(4, 6), slice(6, 7), slice(0, 7)])
def test_every_state_of_a_sweep_has_a_report(records: SweepRecords, tmp_path: Path, keep: slice) -> None:
    unfinished = replace(records, trials=records.trials[keep], ensembles=(), frontier=(), inferior={})
    page = Page(write_report(tmp_path / "report.html", unfinished))
    assert page.open == []
    names = {attributes["data-trial"] for _, attributes in page.elements if "data-trial" in attributes}
    assert names == {trial.name for trial in unfinished.trials}


def test_an_empty_sweep_carries_no_plotly(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", SweepRecords("nothing yet"))
    assert "No trials yet." in Page(path).texts
    assert path.stat().st_size < 100_000


def test_names_cannot_become_markup(trial: Callable[..., TrialRecord], tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><b onclick='x'>\"&"
    path = write_report(
        tmp_path / "report.html",
        SweepRecords(
            evil,
            trials=(
                trial(8, 64, 1, 0.8, name=evil, hyperparameters={evil: evil}),
                trial(8, 65, 2, None, name=evil + "2", status="failed", reason=evil, hyperparameters={evil: 2}),
            ),
            inferior={evil: evil},
            environment={evil: evil},
            precision="float16",
        ),
    )
    page = Page(path)
    assert page.open == []
    assert "b" not in {tag for tag, _ in page.elements}
    assert evil in page.texts
    assert not any("alert(1)" in text for text in page.scripts)


def test_scores_that_are_not_finite_do_not_reach_the_file(records: SweepRecords, tmp_path: Path) -> None:
    broken = tuple(replace(t, curve=tuple(replace(p, loss=float("nan")) for p in t.curve)) for t in records.trials)
    page = Page(write_report(tmp_path / "report.html", replace(records, trials=broken)))
    assert not re.search(r"\b(NaN|Infinity)\b", page.unpacked[-1])


def test_every_colour_of_a_figure_has_a_dark_one(records: SweepRecords, tmp_path: Path) -> None:
    data = Page(write_report(tmp_path / "report.html", records)).data
    used = set(re.findall(r"#[0-9a-fA-F]{6}", json.dumps(data["figures"])))
    assert used <= set(data["dark"])


def test_a_failed_write_leaves_the_old_report(records: SweepRecords, tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", records)
    before = path.read_bytes()
    bare = Ensemble(members=(EnsembleMember("a", "int8", 1.0, 0),), total_bytes=0, budget_bytes=1)
    with pytest.raises(InputError, match="members"):
        write_report(path, replace(records, ensembles=(bare,)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
