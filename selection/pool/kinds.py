"""Kinds and ranges of values from outside, checked before they are cast: a cast says nothing of what it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.errors import PoolError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_CLASSES = 2**31 - 1
"""Classes are numbered by int32."""

SCORE_SLACK = 1e-6
"""A softmax or sigmoid in float32 may come out so much above 1: it is rounding, and is taken for 1."""

_KINDS = {"b": "truth values", "c": "complex numbers", "f": "fractions", "U": "text", "S": "text", "O": "objects"}


def whole_numbers(values: ArrayLike, what: str, kind: type[np.signedinteger[Any]]) -> NDArray[Any]:
    """Values as whole numbers of a kind, of the shape that they have; an empty list is one of whole numbers.

    Args:
        values: from outside.
        what: what they are, in the plural, for an error.
        kind: ``np.int32`` or ``np.int64``.

    Raises:
        PoolError: they are of another kind (fractions, truth values, text), or one does not fit.
    """
    raw = np.asarray(values)
    if raw.size and raw.dtype.kind not in "iu":
        found = next((value for value in raw.flat if not isinstance(value, int | np.integer)), raw.flat[0])
        raise PoolError(f"{what} must be whole numbers; got {_kind(raw)}, such as {_shown(found)}.")
    if raw.size and not np.can_cast(raw.dtype, kind):
        least, most = np.iinfo(kind).min, np.iinfo(kind).max
        outside = (raw < least) | (raw > most)
        if outside.any():
            raise PoolError(f"{what} must be whole numbers from {least} to {most}; got {raw[outside].flat[0]}.")
    return np.ascontiguousarray(raw, kind)


def class_count_of(value: object) -> int:
    """The number of classes of a vocabulary, from 1 to ``MAX_CLASSES``. Raises a PoolError."""
    raw = np.asarray(value)
    if raw.ndim or raw.dtype.kind not in "iu" or not 1 <= int(raw) <= MAX_CLASSES:
        raise PoolError(f"class_count must be a whole number from 1 to {MAX_CLASSES}; got {_shown(value)}.")
    return int(raw)


def numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Values as numbers of the kind that they have, which is a real one. Raises a PoolError for any other."""
    raw = np.asarray(values)
    if raw.dtype.kind not in "fiu" and raw.dtype.name != "bfloat16":
        example = f", such as {_shown(raw.flat[0])}" if raw.size else ""
        raise PoolError(f"{what} must be numbers; got {_kind(raw)}{example}.")
    return raw


def texts(values: ArrayLike, what: str) -> NDArray[np.str_]:
    """Values as text: text, UTF-8 bytes or whole numbers.

    Raises:
        PoolError: another kind, bytes that are no UTF-8, or a NUL character, which numpy drops at an end.
    """
    raw = np.asarray(values)
    if raw.dtype.kind == "O" and not all(isinstance(value, str) for value in raw.flat):
        found = next(value for value in raw.flat if not isinstance(value, str))
        raise PoolError(f"{what} must be text; got {_shown(found)}.")
    if raw.dtype.kind not in "UOSiu":
        raise PoolError(f"{what} must be text; got {_kind(raw)}.")
    if raw.dtype.kind == "S":
        return _decoded(raw, what)
    # An array of text has dropped them already; what it holds has no two ids that were one.
    as_given = raw.dtype.kind == "O" or (raw.dtype.kind == "U" and not isinstance(values, np.ndarray))
    if as_given and any("\0" in str(value) for value in np.asarray(values, object).flat):
        raise PoolError(f"{what} must be text without NUL characters; got some with one.")
    return raw.astype(np.str_)


def _decoded(raw: NDArray[np.bytes_], what: str) -> NDArray[np.str_]:
    try:
        return np.char.decode(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise PoolError(f"{what} must be text, or bytes of UTF-8; got {error.object!r}.") from error


def _kind(raw: NDArray[Any]) -> str:
    return f"{_KINDS.get(raw.dtype.kind, 'another kind')} ({raw.dtype})"


def _shown(value: object) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:60]}…"
