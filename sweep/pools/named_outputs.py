"""One output of a model with several: which array of an archive it is, or which columns of a table.

An archive has an array for each output, by its name, in the place of `scores` (or `labels`); a table has a column for
each class of each, `genre:0`, `genre:1`, …, or one column of the output's name. A file that has nothing but scores (or
labels) is of the output that is asked for: beside models of several outputs there may be models of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from gapsack.selection.errors import PoolError

IDS = "video_ids"
OPTION = "--output"
BETWEEN = ":"
"""Between an output's name and a class, in the name of a column."""

MOST_NAMED = 20


def output_array(names: Sequence[str], usual: str, output: str | None) -> str:
    """The array of an archive that holds an output.

    Args:
        names: of all its arrays.
        usual: of the array in a file of one output: `scores` or `labels`.
        output: that is asked for; None where there is just one.

    Raises:
        PoolError: there is no such array; those that there are, are named.
    """
    others = [name for name in names if name not in (IDS, usual)]
    if output is not None and output != IDS and output in names:
        return output
    # Beside labels there may be a model's inputs; beside scores what else there is was predicted.
    if usual in names and (output is None or usual == "labels" or not others):
        return usual
    if output is not None:
        found = [name for name in names if name != IDS]
        raise PoolError(f"expected the array {output} ({OPTION} {output}), got {_listed(found)}")
    several = f", or {OPTION} and the name of one of the arrays that are there" if others and IDS in names else ""
    raise PoolError(f"expected the arrays {IDS}, {usual}{several}, got {_listed(names)}")


def output_columns(table: pd.DataFrame, ids: str | None, output: str) -> pd.DataFrame | None:
    """Of a table the ids and an output's columns, by class; None where the table is one of a single output.

    Raises:
        PoolError: the table is of other outputs; they are named.
    """
    if ids is None:
        return None
    own = {name: name.removeprefix(output + BETWEEN) for name in _texts(table) if name.startswith(output + BETWEEN)}
    if own:
        return table[[ids, *own]].rename(columns=own)
    if output != ids and output in table.columns:
        return table[[ids, output]]
    if others := outputs_of(table, ids):
        raise PoolError(
            f"expected columns {output}{BETWEEN}0, {output}{BETWEEN}1, … ({OPTION} {output}), got those of "
            f"{_listed(others)}"
        )
    return None


def outputs_of(table: pd.DataFrame, ids: str) -> list[str]:
    """The outputs whose classes a table has columns of: what stands before the colon in their names."""
    names = [name for name in _texts(table) if name != ids]
    if not all(BETWEEN in name for name in names):
        return []
    return list(dict.fromkeys(name.partition(BETWEEN)[0] for name in names))


def hint_of_outputs(table: pd.DataFrame, ids: str) -> str:
    """The end of a sentence on a table of several outputs of which none was named."""
    found = outputs_of(table, ids)
    if len(found) < 2:
        return ""
    return f": its columns are those of {_listed(found)}, one of which {OPTION} names"


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if isinstance(name, str)]


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return (", ".join(name[:60] for name in known[:MOST_NAMED]) or "none") + more
