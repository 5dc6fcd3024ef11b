"""YAML as people expect it: `1e-4` is a number, `no` is a word, a key given twice is an error, lines are known.

PyYAML follows YAML 1.1, where `1e-4` is a string (it wants `1.0e-4`), `on` is true, `010` is eight and `12:30` is
750. The rules here are those of YAML 1.2's core schema, plus underscores in whole numbers (`200_000`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gapsack.sweep.errors import ConfigError
from gapsack.sweep.storage.mirrored import url_in

Location = tuple[str | int, ...]
"""Keys and list positions from the top of the document."""

MOST_DIGITS = 40
"""Of a whole number: more than any setting needs, fewer than Python refuses to print."""

MOST_PLACES = 1_000_000
"""Keys and items of a document: aliases of aliases can ask for more than any memory holds."""

INT = r"[-+]?[0-9][0-9_]*"
FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own class attribute, emptied here)


Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(f"^(?:{INT})$"), list("-+0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{FLOAT})$"), list("-+.0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])


@dataclass(frozen=True)
class Document:
    """A parsed YAML file, and the line (from 1) of each key and list item in it."""

    path: Path
    text: str
    content: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """The line of a key or item; for a missing one, that of its section; 0 for the file as a whole."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 0)

    def describe(self, location: Location) -> str:
        """A location as `search.grid.clusters[2] (line 12)`."""
        line = self.line(location)
        return f"{dotted(location)} (line {line})" if line else dotted(location)


def dotted(location: Location) -> str:
    """`("search", "points", 2, "hidden")` as `search.points[2].hidden`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "the file"


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has a key twice.
    """
    if (url := url_in(path)) is not None:
        raise ConfigError(f"expected a grid file on this machine, got the URL {url}: copy the file here first")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"expected a grid file at {path}, but it cannot be read: {reason}") from error
    lines: dict[Location, int] = {}
    try:
        content = _parsed(text, path, lines)
    except ConfigError:
        raise
    except RecursionError as error:
        raise ConfigError(f"expected YAML in {path}, got values nested too deep to be read") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"expected YAML in {path}, got: {' '.join(str(error).split())}") from error
    except Exception as error:  # a tag such as !!timestamp before another value, which PyYAML does not foresee
        raise ConfigError(
            f"expected YAML in {path}, got a value that is not of its tag: {type(error).__name__} {error}"
        ) from error
    return Document(Path(path), text, content, lines)


def _parsed(text: str, path: Path, lines: dict[Location, int]) -> Any:
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _walk(node, (), lines, path, ())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _integer(_loader: Loader, node: yaml.ScalarNode) -> int:
    digits = str(node.value).replace("_", "")
    if len(digits) > MOST_DIGITS:
        raise yaml.constructor.ConstructorError(
            None, None, f"expected a whole number of at most {MOST_DIGITS} digits, got {len(digits)}", node.start_mark
        )
    return int(digits)


Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _walk(
    node: yaml.Node, location: Location, lines: dict[Location, int], path: Path, above: tuple[yaml.Node, ...]
) -> None:
    """Note the line of every key and item below `node`; those `above` it may not be below it too."""
    if any(node is each for each in above):
        raise ConfigError(f"{path}: {dotted(location)} is an alias of what it lies in, without end")
    if len(lines) > MOST_PLACES:
        raise ConfigError(f"{path}: expected at most {MOST_PLACES} keys and items, aliases resolved, got more")
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            below = (*location, str(key_node.value))
            line = key_node.start_mark.line + 1
            if below in lines:
                raise ConfigError(f"{path}: {dotted(below)} is given twice, on lines {lines[below]} and {line}")
            lines[below] = line
            _walk(value_node, below, lines, path, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*location, index] = item.start_mark.line + 1
            _walk(item, (*location, index), lines, path, above)
