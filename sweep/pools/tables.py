"""Files from elsewhere by what they hold: archives of arrays, tables of text, and what is neither."""

from __future__ import annotations

import lzma
import warnings
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from gapsack.selection.errors import PoolError

ARCHIVE = b"PK\x03\x04"
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Endings of packed tables, which pandas unpacks."""

_OTHER_KINDS = (
    (b"\x93NUMPY", "a single array (.npy): store it with its video_ids by numpy.savez"),
    (b"\x80\x02", "a pickle, which is never loaded"),
    (b"\x80\x03", "a pickle, which is never loaded"),
    (b"\x80\x04", "a pickle, which is never loaded"),
    (b"\x80\x05", "a pickle, which is never loaded"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image"),
)
_SUFFIXES = (".pkl", ".pickle", ".npy", ".h5", ".hdf5", ".parquet", ".feather", ".json", ".mat", ".pt", ".pth")
"""Endings of files that hold arrays or tables, but not as they are read here."""


def is_archive(path: Path) -> bool:
    """Whether a file is to be read as an .npz, rather than as a CSV.

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
        raise PoolError(f"{path}: expected an .npz archive or a .csv file, got {other}")
    return False


def read_table(path: Path, columns: tuple[str, str]) -> tuple[NDArray[Any], list[str]]:
    """Two columns of a CSV, as they are written: the first as an array of objects, so that nothing of it is lost.

    Raises:
        PoolError: it is no CSV, has other columns, or a row that is too long.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else it would drop what is too much
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except UnicodeDecodeError as error:
        raise PoolError(f"expected a CSV of UTF-8 text, got bytes that are none at {error.start}") from error
    except pd.errors.EmptyDataError as error:
        raise PoolError(f"expected the columns {','.join(columns)}, got an empty file") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise PoolError(f"expected a CSV whose rows have as many values as its head, got: {_line(error)}") from error
    except OSError as error:
        raise PoolError(f"expected a CSV file that can be read, got: {error.strerror or _line(error)}") from error
    except (ValueError, EOFError, zlib.error, lzma.LZMAError, OverflowError) as error:
        raise PoolError(f"expected a CSV file that can be read, got: {_line(error)}") from error
    if not set(columns) <= set(table.columns):
        found = ",".join(map(str, table.columns))
        raise PoolError(f"expected the columns {','.join(columns)}, got {found[:200]}")
    if table.empty:
        raise PoolError("expected at least one row, got none")
    first, second = (table[name].to_numpy(object) for name in columns)
    return first, second.tolist()


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
