"""`jit`: how every compiled function is compiled, and where its machine code is kept between processes.

numba keeps a function's machine code until the function's own file changes. It does not see that a function, or a
constant, that was compiled into it comes from another file. So the code of a module's functions lies in a folder named
by a digest of all sources that the module stands on, and of the processor and numba: what has changed is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numba
from llvmlite import binding  # type: ignore[import-untyped]  # comes with numba
from numba.core import config, sigutils
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])

KEPT = 3
"""Folders of a module's machine code that are kept: for switching between versions, and between kinds of machines."""

_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n#]*)|import\s+([^\n#]+))", re.MULTILINE)
_settings = Lock()


def jit(*, inline: str = "never", fastmath: bool | set[str] = False) -> Callable[[F], F]:
    """Compile a function by numba when it is called first, without the interpreter's lock, and keep the machine code.

    Where no folder can be written to, every process compiles for itself; so it does for functions with variables of an
    enclosing function, whose values no digest covers.

    Args:
        inline: numba's `inline`.
        fastmath: numba's `fastmath`.
    """

    def compiled(function: F) -> F:
        dispatcher: Any = numba.njit(nogil=True, inline=inline, fastmath=fastmath)(function)
        folder = _folder(function.__module__) if _is_keepable(dispatcher, function) else None
        if folder is not None:
            with _settings, _cache_settings(folder):
                # What numba's `cache=True` does, with a cache that forgives.
                dispatcher._cache = _Cache(function)
        return dispatcher  # type: ignore[no-any-return]

    return compiled


class _Cache(FunctionCache):
    """numba's cache of one function; whatever is wrong with it, the function is compiled instead."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for argument types, or None."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a file cut off by a crash, as numba does not sync them, is no reason to fail for ever
            self._forget()
            return None
        # Of two processes that add to an index at once, one may see its code under the other's types.
        fits = found is not None and tuple(found.signature.args) == tuple(sigutils.normalize_signature(sig)[0])
        return found if fits else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code; when the disk is full or the folder gone, the next process compiles again."""
        try:
            super().save_overload(sig, data)
        except OSError:
            self._forget()

    def _forget(self) -> None:
        try:
            self.flush()
        except OSError:  # nothing can be written: nothing will be found
            self.disable()


def sources(module: str) -> dict[str, Path]:
    """Files by module name: the module's own, and those of our modules that it stands on, however far down.

    Found in the text: an import that only type checkers see counts as well. Modules are ours when they are of gapsack
    or of the package of the module itself. Without the module itself when it comes from no file.
    """
    packages = {name: _own_file(name) for name in ("gapsack", module.partition(".")[0])}
    found: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        file = _file(packages, name)
        if file is not None and name not in found:
            found[name] = file
            left += _imports(file)
    return found


def cache_folder(module: str) -> Path | None:
    """Where the machine code of a module's functions is kept: under the first place that can be written to, or None.

    The places: numba's own setting NUMBA_CACHE_DIR; beside this file; the user's cache folder.
    """
    found = sources(module)
    if module not in found:
        return None
    name = f"{module}-{_digest(found)}"
    for place in _places():
        folder = place / name
        is_new = not folder.is_dir()
        if _is_writable(folder):
            if is_new:
                _sweep(place, module)
            return folder
    return None


_folder = cache(cache_folder)


def _is_keepable(dispatcher: Any, function: Callable[..., Any]) -> bool:
    # Under NUMBA_DISABLE_JIT there is no dispatcher; what was typed in at a prompt has no file.
    return isinstance(dispatcher, Dispatcher) and not function.__closure__ and function.__module__ != "__main__"


@contextmanager
def _cache_settings(folder: Path) -> Iterator[None]:
    """numba asks its settings for the folder when a cache is made, and only then."""
    before = {name: getattr(config, name) for name in ("CACHE_DIR", "CACHE_LOCATOR_CLASSES") if hasattr(config, name)}
    for name in before:
        setattr(config, name, "")
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


def _places() -> Iterator[Path]:
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR)
    yield Path(__file__).parent / "__pycache__" / "compiled"
    if given := os.environ.get("XDG_CACHE_HOME"):
        yield Path(given) / "gapsack" / "compiled"
    else:
        try:
            yield Path.home() / ".cache" / "gapsack" / "compiled"
        except RuntimeError:  # no HOME, and a user of whom the system knows nothing
            return


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _sweep(place: Path, module: str) -> None:
    """Delete a module's oldest folders; a process that still uses one compiles what it has not loaded yet."""
    folders = [path for path in place.glob(f"{module}-*") if path.name.removeprefix(f"{module}-").isalnum()]
    for folder in sorted(folders, key=_changed)[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process sweeps too
        return 0.0


def _digest(files: dict[str, Path]) -> str:
    digest = hashlib.sha256(_machine().encode())
    for name, file in sorted(files.items()):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(_content(file)).digest())
    return digest.hexdigest()[:20]


@cache
def _machine() -> str:
    features = config.CPU_FEATURES or binding.get_host_cpu_features().flatten()
    return f"{numba.__version__} {config.CPU_NAME or binding.get_host_cpu_name()} {features}"


@cache
def _content(file: Path) -> bytes:
    return file.read_bytes()


@cache
def _imports(file: Path) -> list[str]:
    """Modules that a file imports, and names that may be modules."""
    found: list[str] = []
    for package, names, modules in _IMPORT.findall(_content(file).decode()):
        if package:
            found += [package, *(f"{package}.{name}" for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?", names))]
        found += [name.split()[0] for name in modules.split(",") if name.strip()]
    return found


def _own_file(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None else Path(file)


def _file(packages: dict[str, Path | None], module: str) -> Path | None:
    package, *rest = module.split(".")
    first = packages.get(package)
    if first is None or not rest:
        return first
    path = first.parent.joinpath(*rest)
    return next((file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None)
