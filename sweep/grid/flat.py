"""Settings in sections, as one level of dotted keys."""

from __future__ import annotations

from typing import Any


def flat(values: Any, path: str) -> dict[str, Any]:
    """Nested sections below `path` by dotted key, such as `training.averaging.last`."""
    if not isinstance(values, dict):
        return {path: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found.update(flat(value, f"{path}.{key}"))
    return found
