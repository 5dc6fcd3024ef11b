"""Reading the small files of a run as the types that they were written from.

Whatever happened to such a file, its reader gets a value of the type or one sentence: what was expected, in which file,
what is there instead, and what to do about it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gapsack.selection.errors import DamagedFileError
from gapsack.selection.files import load_json

if TYPE_CHECKING:
    from os import PathLike

T = TypeVar("T")

SHOWN_CHARACTERS = 60
NAMED_PROBLEMS = 3
"""Of a file of another kind every key is wrong: a few say so as well as all."""


def read_typed(path: str | PathLike[str], kind: type[T], *, what: str, advice: str) -> T:
    """The value of a JSON file.

    Args:
        path: of the file.
        kind: a pydantic model, or any type that pydantic knows; nothing is converted.
        what: the file as people call it: "the record of a finished trial".
        advice: what to do when it is damaged, the end of a sentence.

    Raises:
        DamagedFileError: there is no such file, or it holds anything else.
    """
    return validated(read_value(path, what=what, advice=advice), kind, path, what=what, advice=advice)


def read_value(path: str | PathLike[str], *, what: str, advice: str) -> Any:
    """As `read_typed`, for values that are still to be looked at."""
    try:
        return load_json(path)
    except FileNotFoundError as error:
        raise damaged(path, "no such file", what=what, advice=advice) from error
    except OSError as error:
        raise damaged(path, f"one that cannot be read ({error.strerror})", what=what, advice=advice) from error
    except ValueError as error:
        raise damaged(path, f"no JSON ({error})", what=what, advice=advice) from error


def validated(value: Any, kind: type[T], path: str | PathLike[str], *, what: str, advice: str) -> T:
    """A JSON value as one of a type. Errors as `read_typed`, which see for the arguments."""
    try:
        key: Any = kind
        # Written out again because strict types take lists for tuples in JSON alone.
        found: T = _adapter(key).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors(include_url=False)]
        more = f"; and {len(problems) - NAMED_PROBLEMS} more" if len(problems) > NAMED_PROBLEMS else ""
        raise damaged(path, "; ".join(problems[:NAMED_PROBLEMS]) + more, what=what, advice=advice) from error
    return found


def damaged(path: str | PathLike[str], got: str, *, what: str, advice: str) -> DamagedFileError:
    """The error of a file that holds something else; `got` says what."""
    return DamagedFileError(f"expected {what} in {path}, got {got}: {advice}")


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _problem(details: Any) -> str:
    key = ".".join(map(str, details["loc"]))
    if details["type"] == "missing":
        return f"{key} missing"
    shown = repr(details["input"])
    shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[: SHOWN_CHARACTERS - 1]}…"
    told = f"{shown} ({str(details['msg']).replace('Input should be', 'it should be')})"
    return f"{key} as {told}" if key else told
