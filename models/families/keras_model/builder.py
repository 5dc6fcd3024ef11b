"""The function that makes a model: where it is found, and which hyperparameters it has.

It is named `file.py:function`, `module:function`, or, once a grid is read, `folder:module:function` for a module of a
package in that folder: so that workers and whoever builds a graph later find it from anywhere.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gapsack.models.hyperparameters import Flag, Hyperparameter, Number, Text
from gapsack.models.quiet_start import load_keras
from gapsack.selection.errors import InputError

GIVEN = ("inputs", "classes")
"""What every builder is given first."""


@dataclass(frozen=True)
class Builder:
    """A function `(inputs, classes, **options)` that returns a Keras model.

    Attributes:
        name: As the grid or the pool has it.
        function: The function itself.
        sha256: Of the file that it stands in.
        folder: From where it imports its neighbours; None where Python finds them by itself.
    """

    name: str
    function: Callable[..., Any]
    sha256: str
    folder: Path | None

    def __call__(self, inputs: Mapping[str, Any], classes: int, options: Mapping[str, Any]) -> Any:
        """What the function returns."""
        with _importable(self.folder):
            return self.function(dict(inputs), classes, **options)

    def options(self, taken: Sequence[str]) -> tuple[Hyperparameter, ...]:
        """Its keyword parameters as hyperparameters; those in `taken` have another meaning already.

        Raises:
            InputError: Its parameters are not `inputs`, `classes` and others with a default that is a number, a word,
                true or false.
        """
        parameters = list(inspect.signature(self.function).parameters.values())
        names = tuple(parameter.name for parameter in parameters)
        if names[:2] != GIVEN:
            raise InputError(f"expected the parameters inputs, classes, … of {self.name}, got ({', '.join(names)})")
        if both := sorted(set(names) & set(taken)):
            raise InputError(f"expected other names for the parameters {', '.join(both)} of {self.name}")
        return tuple(_hyperparameter(parameter, self.name) for parameter in parameters[2:])


def load(name: str) -> Builder:
    """The builder of that name.

    Raises:
        InputError: The name is none of the three forms; there is no such file, module or function; importing it fails.
    """
    source, _, function = name.rpartition(":")
    if not source or not function.isidentifier():
        raise InputError(f"expected a builder as file.py:function or module:function, got {name!r}")
    if source.endswith(".py"):
        path = Path(source).absolute()
        folder: Path | None = path.parent
        module = _file_module(path, name)
    else:
        place, _, dotted = source.rpartition(":")
        folder = Path(place) if place else None
        module = _module(dotted, folder, name)
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(f"expected a function {function} in {module.__file__} for the builder {name}, got none")
    return Builder(name, found, _sha256(Path(str(module.__file__))), folder)


def located(name: str, folders: Sequence[Path]) -> str:
    """The name with its place made absolute: the first of `folders` that has it; else as it is, for `load` to judge."""
    source, _, function = name.rpartition(":")
    if source.endswith(".py"):
        paths = [(folder / Path(source).expanduser()).absolute() for folder in folders]
        return next((f"{path}:{function}" for path in paths if path.is_file()), name)
    parts = source.split(".")
    if not all(part.isidentifier() for part in parts):
        return name
    for folder in (folder.absolute() for folder in folders):
        stem = folder.joinpath(*parts)
        if len(parts) == 1 and stem.with_suffix(".py").is_file():
            return f"{stem.with_suffix('.py')}:{function}"
        if stem.with_suffix(".py").is_file() or (stem / "__init__.py").is_file():
            return f"{folder}:{source}:{function}"
    return name


def _hyperparameter(parameter: inspect.Parameter, builder: str) -> Hyperparameter:
    name, default = parameter.name, parameter.default
    described = f"{name} of {builder}"
    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        if isinstance(default, bool):
            return Flag(name, described, default)
        if isinstance(default, int | float) and math.isfinite(default):
            return Number(name, described, minimum=-math.inf, default=default, whole=isinstance(default, int))
        if isinstance(default, str) and default:
            return Text(name, described, default)
    got = "none" if default is parameter.empty else repr(default)
    raise InputError(
        f"expected a default that is a finite number, a text that is not empty, true or false for the parameter {name} "
        f"of {builder}, got {got}"
    )


def _file_module(path: Path, name: str) -> ModuleType:
    """The module in a file, under a name of its own: two projects may each have a `model.py`."""
    if not path.is_file():
        raise InputError(f"expected a file {path} for the builder {name}, got none")
    unique = "gapsack_builder_" + hashlib.sha256(f"{path} {_sha256(path)}".encode()).hexdigest()[:16]
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    load_keras()  # as the module will, but without notices
    sys.modules[unique] = module  # where dataclasses and pickle look
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[unique]
        raise InputError(f"expected {path} to be imported, got {type(error).__name__}: {error}") from error
    return module


def _module(dotted: str, folder: Path | None, name: str) -> ModuleType:
    load_keras()  # as the module will, but without notices
    try:
        with _importable(folder):
            module = importlib.import_module(dotted)
    except Exception as error:
        where = "" if folder is None else f" from {folder}"
        raise InputError(
            f"expected {dotted} to be imported{where} for the builder {name}, got {type(error).__name__}: {error}"
        ) from error
    if module.__file__ is None or (folder is not None and folder not in Path(module.__file__).parents):
        raise InputError(
            f"expected the module {dotted} in a file below {folder or 'Python’s path'} for the builder {name}, got "
            f"{module.__file__}: another module of this name comes first"
        )
    return module


@contextmanager
def _importable(folder: Path | None) -> Iterator[None]:
    """Python finds modules of the folder, before all others."""
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
