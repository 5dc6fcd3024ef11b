"""The formats that the one graph is shipped in, found by name: each is one file here, or a package's entry point.

A module `formats/<name>.py` has the format as `FORMAT`. An entry point `<name>` of the group `gapsack.graph_formats`
leads to such an object elsewhere. Importing this package imports neither of them, nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, runtime_checkable

from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.output import DecodesOnce, Predictor
from gapsack.models.graph.writing import GraphInfo, WriteOptions
from gapsack.selection.errors import InputError

DEFAULT_FORMAT = "savedmodel"
ENTRY_POINTS = "gapsack.graph_formats"


@runtime_checkable
class Format(Protocol):
    """A format of graphs on disk. What it must do, `tests/contracts/test_graph_format.py` holds it to.

    Attributes:
        name: By which it is asked for; the name of its module or entry point.
        marker: Path, in a graph's folder, of the file by which the folder is known to hold a graph of this format.
        suffix: Ending of the files that are a whole graph by themselves, such as ".tflite"; None if folders alone are.
        tolerance: Largest difference of a probability from the members' own that the format's rounding may make.
        settings: What can be chosen in writing it beside what all formats have: choices by name, the default first.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - the class says what each is
    @property
    def marker(self) -> str: ...  # noqa: D102
    @property
    def suffix(self) -> str | None: ...  # noqa: D102
    @property
    def tolerance(self) -> float: ...  # noqa: D102
    @property
    def settings(self) -> Mapping[str, tuple[str, ...]]: ...  # noqa: D102

    def write(self, members: Sequence[AnyMember], directory: Path, options: WriteOptions) -> GraphInfo:
        """Write the ensemble as a graph into a folder that appears whole or not at all (`writing.write_whole`).

        Raises:
            InputError: Members that do not fit together, weights that are missing or out of range.
            GraphError: The graph is larger than the budget, the format cannot hold it, or it cannot be written.
        """

    def load(self, path: Path) -> Predictor:
        """Load a graph of this format from its folder, or from a file that ends in `suffix`.

        Raises:
            InputError: There is none, or it is damaged.
        """


def format_names() -> tuple[str, ...]:
    """Names of all formats: the default one, then the others in alphabetical order."""
    others = {*_own(), *_entry_points()} - {DEFAULT_FORMAT}
    return (DEFAULT_FORMAT, *sorted(others))


def graph_format(name: str) -> Format:
    """A format by name.

    Raises:
        InputError: There is none of that name, or what bears it is no `Format`.
    """
    if name in _own():
        where = f"{__name__}.{name}"
        found: object = getattr(import_module(where), "FORMAT", None)
    elif (entry_point := _entry_points().get(name)) is not None:
        where, found = entry_point.value, entry_point.load()
    else:
        raise InputError(f"expected a graph format ({', '.join(format_names())}), got {name!r}")
    if not isinstance(found, Format) or found.name != name:
        raise InputError(f"expected a graph format of the name {name} in {where}, got {found!r}")
    return found


def graph_formats() -> Iterator[Format]:
    """All formats, in the order of `format_names`; each is imported when its turn comes."""
    return (graph_format(name) for name in format_names())


def format_of(path: Path) -> Format:
    """The format of the graph in a folder, or of a file that is a graph.

    Raises:
        InputError: No graph is there.
    """
    for each in graph_formats():
        if (path / each.marker).is_file() or (each.suffix == path.suffix and path.is_file()):
            return each
    known = tuple(graph_formats())
    files = [each.marker for each in known] + [f"a file *{each.suffix}" for each in known if each.suffix]
    raise InputError(f"expected a built graph (one of {', '.join(files)}) in {path}, got none")


def load_graph(path: Path, *, decode_once: bool = False) -> Predictor:
    """Load a graph of any format.

    Args:
        path: The folder that holds it, or a file that is a graph, such as a .tflite file of any name.
        decode_once: Decode all weights now and keep them as float32 (`Graph.decode`).

    Raises:
        InputError: No graph is there, it is damaged, or `decode_once` is asked of one that decodes as it runs.
    """
    found = format_of(path)
    predictor = found.load(path)
    if decode_once:
        if not isinstance(predictor, DecodesOnce):
            raise InputError(
                f"expected a SavedModel to decode once, got a {found.name} in {path}, which decodes as it runs"
            )
        predictor.decode()
    return predictor


def _own() -> set[str]:
    return {module.name for module in iter_modules(__path__)}


def _entry_points() -> dict[str, EntryPoint]:
    return {each.name: each for each in entry_points(group=ENTRY_POINTS)}
