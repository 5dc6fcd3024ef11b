"""Where the data of a grid lies."""

from __future__ import annotations

import os
from pathlib import Path

from gapsack.sweep.grid.section import DataFiles
from gapsack.sweep.storage.remote import is_url

DATA_VARIABLE = "GAPSACK_DATA"
"""The environment variable that names the data folder."""


def resolve_folder(data: DataFiles, grid_file: Path, data_folder: str | None) -> str:
    """The folder that data patterns are relative to, absolute or a URL.

    A folder given by option or environment is relative to the working directory, as the shell would have it; one
    in the file is relative to the file.
    """
    given = data_folder or os.environ.get(DATA_VARIABLE)
    if given:
        return given if is_url(given) else str(Path(given).expanduser().absolute())
    if data.folder is None:
        return str(Path(grid_file).parent.absolute())
    if is_url(data.folder):
        return data.folder
    return str((Path(grid_file).parent / Path(data.folder).expanduser()).absolute())
