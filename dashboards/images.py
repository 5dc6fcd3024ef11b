"""Figures as image files, for papers and slides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import plotly.graph_objects as go

from gapsack.dashboards.figures.catalogue import FIGURES, build_figures
from gapsack.dashboards.figures.runs_plane import runs_plane_figure, runs_plane_info
from gapsack.dashboards.figures.theme import LIGHT, Theme
from gapsack.dashboards.records import RunsRecords, SweepRecords
from gapsack.selection.errors import InputError
from gapsack.selection.files import move_whole

WIDTH = 960
PIXELS_A_POINT = 2  # PNG files are drawn at twice their size, sharp on dense screens and in print

ImageFormat = Literal["png", "svg"]


def write_images(
    records: SweepRecords,
    folder: str | os.PathLike[str],
    *,
    format: ImageFormat = "png",
    figures: Iterable[str] | None = None,
    theme: Theme = LIGHT,
) -> list[Path]:
    """Write each figure as an image, ``<key>.<format>``.

    Args:
        records: what to draw; a figure that they hold nothing for is left out.
        folder: for the files; made where it is missing.
        format: ``png`` or ``svg``.
        figures: keys of the figures wanted (of :data:`dashboards.figures.catalogue.FIGURES`); all if omitted.
        theme: light or dark.

    Returns:
        The paths of the files, in the order of the catalogue.

    Raises:
        InputError: an unknown format or figure; kaleido or Chrome, which draw the images, is not installed.
    """
    known = [kind.key for kind in FIGURES]
    wanted = known if figures is None else list(figures)
    unknown = [key for key in wanted if key not in known]
    if unknown:
        raise InputError(f"Expected figures among {', '.join(known)}, received {', '.join(map(repr, unknown))}.")
    drawn = {key: figure for key, figure in build_figures(records, theme).items() if key in wanted}
    return _written(drawn, folder, format)


def write_runs_image(
    records: RunsRecords, folder: str | os.PathLike[str], *, format: ImageFormat = "png", theme: Theme = LIGHT
) -> list[Path]:
    """Write the plane of several runs as an image, as `write_images` does; none where no run has a scored model."""
    info = runs_plane_info(records.runs)
    return [] if info is None else _written({"runs": runs_plane_figure(info, theme)}, folder, format)


def _written(drawn: Mapping[str, go.Figure], folder: str | os.PathLike[str], format: ImageFormat) -> list[Path]:
    """Each figure in a file of its key."""
    if format not in ("png", "svg"):
        raise InputError(f"Expected an image format of png or svg, received {format!r}.")
    if not drawn:
        return []
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".images-", dir=target) as temporary:
        _render(
            [
                {
                    "fig": figure,
                    "path": Path(temporary) / f"{key}.{format}",
                    "opts": {"format": format, "width": WIDTH, "height": figure.layout.height, "scale": PIXELS_A_POINT},
                }
                for key, figure in drawn.items()
            ]
        )
        paths = [target / f"{key}.{format}" for key in drawn]
        for path in paths:
            move_whole(Path(temporary, path.name), path)
        return paths


def _render(jobs: list[dict[str, Any]]) -> None:
    """Draw all figures with one browser."""
    import kaleido  # type: ignore[import-untyped]
    from choreographer.browsers.chromium import ChromeNotFoundError

    try:
        # MathJax would be fetched from the network, and no label here needs it.
        kaleido.write_fig_from_object_sync(jobs, kopts={"mathjax": False})
    except ChromeNotFoundError as error:
        raise InputError(
            "Expected Chrome or Chromium, which draws images, but found none: install one "
            "(apt-get install chromium, or plotly_get_chrome), or set BROWSER_PATH to its program."
        ) from error
