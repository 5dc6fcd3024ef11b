"""Settings in sections, as one level of dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat(values: Any, path: str) -> dict[str, Any]:
    """Nested sections below `path` by dotted key, such as `training.averaging.last`."""
    if not isinstance(values, dict):
        return {path: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found.update(flat(value, f"{path}.{key}"))
    return found


def flat_sections(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections that each have a key of their own, by dotted key."""
    return {name: value for key, section in sections.items() for name, value in flat(section, key).items()}
