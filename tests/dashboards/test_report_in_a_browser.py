"""The report in a real browser that reaches no network: on a phone, a tablet and a desk, light and dark, and printed.

Pictures go to the folder that $GAPSACK_REPORT_PICTURES names, for CI to keep.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gapsack.dashboards.figures.catalogue import FIGURES
from gapsack.dashboards.page.tables import MOST_ROWS
from gapsack.dashboards.records import RunsRecords, SweepRecords, TrialRecord
from gapsack.dashboards.report import write_report, write_runs_report

CHROME = shutil.which("chromium") or shutil.which("google-chrome")
DARK, LIGHT = 0, 1  # as Blink numbers them
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROME is None, reason="no Chrome or Chromium to open the report with"),
]

WATCH = """<script>
const troubles = [];
for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"])
  addEventListener(kind, (event) => troubles.push(String(event.message ?? event.reason ?? event.blockedURI)));
const drawn = () => document.querySelectorAll(".js-plotly-plot .main-svg").length > 0
  ? document.querySelectorAll(".js-plotly-plot").length : 0;
// Time is virtual, and may run ahead of a busy machine's pictures: what is seen at once is waited for, within limits.
const whenDrawn = (then, tries) => setTimeout(drawn() || !tries ? then : () => whenDrawn(then, tries - 1),
  drawn() || !tries ? 2500 : 100);
addEventListener("load", () => whenDrawn(() => {
  const first = drawn();
  for (const each of document.querySelectorAll("summary")) each.click();
  setTimeout(() => parent.postMessage({
    troubles,
    first,
    drawn: drawn(),
    overflow: document.documentElement.scrollWidth - innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
  }, "*"), 3000);
}, 100));
</script></head>"""
# A window cannot be as narrow as a phone; a frame in it can.
FRAME = """<!DOCTYPE html><body style="margin:0"><iframe src="report.html" width="{width}" height="5200"
style="border:0"></iframe><script>
addEventListener("message", (event) => document.body.dataset.told = JSON.stringify(event.data));
</script></body>"""


def browse(folder: Path, page: Path, *options: str) -> str:
    command = [
        str(CHROME),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=18000",
        *options,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=True).stdout


def pictures(otherwise: Path) -> Path:
    folder = Path(os.environ.get("GAPSACK_REPORT_PICTURES") or otherwise).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def told(dom: str) -> dict[str, Any]:
    found = re.search(r'data-told="([^"]*)"', dom)
    assert found is not None, "the report sent no message"
    return dict(json.loads(found[1].replace("&quot;", '"')))


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
@pytest.mark.parametrize("width", [390, 800, 1280])
def test_every_figure_is_drawn_and_nothing_is_wider_than_the_page(
    records: SweepRecords, tmp_path: Path, width: int, scheme: int
) -> None:
    path = write_report(tmp_path / "report.html", records)
    path.write_text(path.read_text(encoding="utf-8").replace("</head>", WATCH, 1), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    picture = pictures(tmp_path) / f"report-{width}-{'dark' if scheme == DARK else 'light'}.png"
    options = f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={max(width, 500)},5200"
    seen = told(browse(tmp_path, frame, *options, "--dump-dom", f"--screenshot={picture}"))
    if not picture.exists():  # some versions do one of the two
        browse(tmp_path, frame, *options, f"--screenshot={picture}")
    # Two are seen at once; the others are drawn when their part is opened. The plane shows the frontier.
    assert seen == {"troubles": [], "first": 2, "drawn": len(FIGURES) - 1, "overflow": 0, "dark": scheme == DARK}
    assert picture.stat().st_size > 10_000


def test_several_runs_are_drawn_on_a_phone(records: SweepRecords, tmp_path: Path) -> None:
    several = RunsRecords((records, replace(records, name="another")), {"training.steps": ("100", "200")})
    path = write_runs_report(tmp_path / "report.html", several)
    path.write_text(path.read_text(encoding="utf-8").replace("</head>", WATCH, 1), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=390), encoding="utf-8")
    picture = pictures(tmp_path) / "runs-390-dark.png"
    options = f"--blink-settings=preferredColorScheme={DARK}", "--window-size=500,5200"
    seen = told(browse(tmp_path, frame, *options, "--dump-dom", f"--screenshot={picture}"))
    assert seen == {"troubles": [], "first": 1, "drawn": 1, "overflow": 0, "dark": True}


UNPACK = """<script>
addEventListener("load", () => {
  const table = document.querySelector("table.sortable");
  const before = table.tBodies[0].rows.length;
  table.querySelector("thead button").click();
  setTimeout(() => {
    const after = [...table.tBodies[0].rows].map((row) => row.dataset.trial);
    const told = { before, count: after.length, ordered: after.every((name, at) => name === [...after].sort()[at]) };
    document.body.dataset.told = JSON.stringify(told);
  }, 3000);
});
</script></head>"""


def test_a_long_table_is_whole_when_it_is_sorted(tmp_path: Path) -> None:
    trials = tuple(TrialRecord(f"K{number:04}", "done", gap=0.5 + number / 1e4) for number in range(MOST_ROWS + 50))
    path = write_report(tmp_path / "report.html", SweepRecords("many", trials=trials))
    path.write_text(path.read_text(encoding="utf-8").replace("</head>", UNPACK, 1), encoding="utf-8")
    seen = told(browse(tmp_path, path, "--dump-dom"))
    assert seen == {"before": MOST_ROWS, "count": MOST_ROWS + 50, "ordered": True}


def test_it_prints(records: SweepRecords, tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", records)
    printed = pictures(tmp_path) / "report.pdf"
    browse(tmp_path, path, "--no-pdf-header-footer", f"--print-to-pdf={printed}")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 2
