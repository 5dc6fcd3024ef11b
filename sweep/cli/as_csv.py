"""Tables as CSV for other programs: the plain values of `--json`, a row each, without the sentences around a table."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from gapsack.selection.printable import printable
from gapsack.sweep.cli.outputs import check_csv
from gapsack.sweep.grid.flat import flat_sections
from gapsack.sweep.storage.addresses import as_told

CsvOption = Annotated[
    bool, typer.Option("--csv", help="Print the table's plain values as CSV instead.", callback=check_csv)
]
"""The option that every command with a table has."""


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows to standard output, under the union of their keys in the order in which these come first.

    A mapping becomes a column for each of its keys, `size_bytes.float16`; a list becomes JSON; None an empty cell.
    """
    flattened = [flat_sections(row) for row in rows]
    names = list(dict.fromkeys(name for row in flattened for name in row))
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in flattened)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return printable(as_told(value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value
