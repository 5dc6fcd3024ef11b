from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from gapsack.dashboards.images import write_images
from gapsack.dashboards.records import SweepRecords
from gapsack.extras import MissingExtras
from gapsack.selection.errors import InputError

CHROME = shutil.which("chromium") or shutil.which("google-chrome")
needs_chrome = pytest.mark.skipif(CHROME is None, reason="no Chrome or Chromium to draw images with")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
@needs_chrome
def test_figures_become_images(records: SweepRecords, tmp_path: Path) -> None:
    pytest.importorskip("kaleido")
    png = write_images(records, tmp_path / "images", figures=["plane", "heat_map"])
    svg = write_images(records, tmp_path / "images", format="svg", figures=["plane"])
    assert [path.name for path in png + svg] == ["plane.png", "heat_map.png", "plane.svg"]
    assert all(path.read_bytes().startswith(PNG_SIGNATURE) for path in png)
    assert "K16-H128" in svg[0].read_text(encoding="utf-8")
    assert len(list((tmp_path / "images").iterdir())) == 3


def test_a_sweep_without_figures_writes_none(tmp_path: Path) -> None:
    assert write_images(SweepRecords("empty"), tmp_path / "images") == []


def test_without_chrome_the_error_says_how_to_get_it(
    records: SweepRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kaleido")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-such-chrome"))
    with pytest.raises(InputError, match=r"Chrome or Chromium.*install one"):
        write_images(records, tmp_path, figures=["plane"])
    assert list(tmp_path.iterdir()) == []


def test_without_kaleido_the_error_says_how_to_get_it(
    records: SweepRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "kaleido", raising=False)
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if isinstance(finder, MissingExtras)])
    with pytest.raises(InputError, match=r"pip install 'gapsack\[images\]'"):
        write_images(records, tmp_path, figures=["plane"])


def test_unknown_wishes_are_named(records: SweepRecords, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'pie'"):
        write_images(records, tmp_path, figures=["plane", "pie"])
    with pytest.raises(InputError, match="'jpeg'"):
        write_images(records, tmp_path, format="jpeg")  # type: ignore[arg-type]
