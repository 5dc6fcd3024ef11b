"""Arguments and options that several commands of `sweep` have, told once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.runs.default_storage import DEFAULT_STORAGE

RUNS = DEFAULT_STORAGE
"""What `StorageOption` is where nobody gives it."""

RunArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="A run folder or its URL, or a run's name; the newest run if omitted.", show_default=False
    ),
]
RunsArgument = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Run folders or their URLs, or names of runs.", show_default=False),
]
StorageOption = Annotated[Path, typer.Option(help="The folder, or the URL, that holds the runs.")]
