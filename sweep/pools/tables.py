"""Files from elsewhere by what they hold: archives of arrays, tables of text, and what is neither."""

from __future__ import annotations

import lzma
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapsack.selection.errors import PoolError

ARCHIVE = b"PK\x03\x04"
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Endings of packed tables, which pandas unpacks."""

PARQUET = b"PAR1"
ID_COLUMNS = ("id", "video_id")
"""What the column of ids may be called in a table with a column for each class; the first that is there counts."""

_ARCHIVED = "store the array with its ids, numpy.savez(file, video_ids=ids, scores=array) (labels=array for labels)"
_OTHER_KINDS = (
    (b"\x93NUMPY", f"a single array (.npy): {_ARCHIVED}"),
    (b"\x80\x02", f"a pickle, which is never loaded: {_ARCHIVED}"),
    (b"\x80\x03", f"a pickle, which is never loaded: {_ARCHIVED}"),
    (b"\x80\x04", f"a pickle, which is never loaded: {_ARCHIVED}"),
    (b"\x80\x05", f"a pickle, which is never loaded: {_ARCHIVED}"),
    (b"\x89HDF", f"an HDF5 file: {_ARCHIVED}"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image"),
)
_SUFFIXES = (".pkl", ".pickle", ".npy", ".h5", ".hdf5", ".feather", ".json", ".mat", ".pt", ".pth")
"""Endings of files that hold arrays or tables, but not as they are read here."""


def is_archive(path: Path) -> bool:
    """Whether a file is to be read as an .npz, rather than as a table: a CSV, or Parquet.

    Raises:
        PoolError: there is no such file, it cannot be read, or it is clearly neither.
    """
    start = _start(path)
    if path.suffix == ".npz" or (start.startswith(ARCHIVE) and path.suffix not in PACKED):
        return True
    other = next((kind for magic, kind in _OTHER_KINDS if start.startswith(magic)), None)
    if other is None and path.suffix.lower() in _SUFFIXES:
        other = path.suffix
    if other is not None:
        raise PoolError(f"{path}: expected an .npz archive, a .csv or a .parquet file, got {other}")
    return False


def read_frame(path: Path) -> pd.DataFrame:
    """A table as it is: a CSV with all cells as text, so that nothing of them is lost, or Parquet with its types.

    Raises:
        PoolError: it is no such table, a row is too long, or it has no rows.
    """
    table = _parquet(path) if _start(path).startswith(PARQUET) else _csv(path)
    if table.empty:
        raise PoolError("expected at least one row, got none")
    return table


def read_head(path: Path) -> pd.DataFrame:
    """A table's columns, without its rows; errors as of `read_frame`."""
    return _parquet(path, rows=False) if _start(path).startswith(PARQUET) else _csv(path, rows=False)


def id_column(table: pd.DataFrame) -> str | None:
    """The column of ids of a table with a column for each class; None where it has none."""
    return next((name for name in ID_COLUMNS if name in table.columns), None)


def matrix_of(table: pd.DataFrame, ids: str) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Ids [n], and the other columns as numbers [n, columns]: by number where numbers are their names, else as written.

    Raises:
        PoolError: there is no other column, or one holds what is no number.
    """
    names = [name for name in table.columns if name != ids]
    if not names:
        raise PoolError(f"expected a column for each class beside {ids}, got none")
    if all(str(name).isdecimal() for name in names):
        names = sorted(names, key=lambda name: int(str(name)))
        if [int(str(name)) for name in names] != list(range(len(names))):
            raise PoolError(f"expected columns from 0 to {len(names) - 1}, got {names[0]} to {names[-1]}")
    for name in names:
        values = pd.to_numeric(table[name], errors="coerce")
        if values.isna().any():
            row = int(np.flatnonzero(values.isna())[0])
            raise PoolError(f"expected numbers in the column {name}, got {table[name].iloc[row]!r} in row {row + 2}")
        table[name] = values
    texts = table[ids].astype(str)
    blank = texts.str.strip() == ""
    if blank.any():
        raise PoolError(f"expected an id in every row, got none in row {int(np.flatnonzero(blank)[0]) + 2}")
    return texts.to_numpy(object), table[names].to_numpy(np.float32)


def read_table(path: Path, columns: tuple[str, str]) -> tuple[NDArray[Any], list[str]]:
    """Two columns of a CSV, as they are written: the first as an array of objects, so that nothing of it is lost.

    Raises:
        PoolError: it is no CSV, has other columns, or a row that is too long.
    """
    table = _csv(path)
    if not set(columns) <= set(table.columns):
        found = ",".join(map(str, table.columns))
        raise PoolError(f"expected the columns {','.join(columns)}, got {found[:200]}")
    if table.empty:
        raise PoolError("expected at least one row, got none")
    first, second = (table[name].to_numpy(object) for name in columns)
    return first, second.tolist()


def _parquet(path: Path, *, rows: bool = True) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        read = parquet.read_table(path) if rows else parquet.read_schema(path).empty_table()
        table: pd.DataFrame = read.to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise PoolError(f"expected a Parquet file that can be read, got: {_line(error)}") from error
    return table


def _csv(path: Path, *, rows: bool = True) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else it would drop what is too much
            return pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, nrows=None if rows else 0)
    except UnicodeDecodeError as error:
        raise PoolError(f"expected a CSV of UTF-8 text, got bytes that are none at {error.start}") from error
    except pd.errors.EmptyDataError as error:
        raise PoolError("expected a head with the names of columns, got an empty file") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise PoolError(f"expected a CSV whose rows have as many values as its head, got: {_line(error)}") from error
    except OSError as error:
        raise PoolError(f"expected a CSV file that can be read, got: {error.strerror or _line(error)}") from error
    except (ValueError, EOFError, zlib.error, lzma.LZMAError, OverflowError) as error:
        raise PoolError(f"expected a CSV file that can be read, got: {_line(error)}") from error


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except FileNotFoundError as error:
        raise PoolError(f"{path}: expected an .npz archive or a .csv file; it is not there") from error
    except OSError as error:
        raise PoolError(f"{path}: expected a file that can be read, got: {error.strerror}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
