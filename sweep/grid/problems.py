"""What is wrong in a grid file, in sentences: what was expected, and what came."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.yaml12 import Location

EXPECTED = {
    "string_type": "expected a string",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping (key: value)",
    "model_type": "expected a mapping (key: value)",
    "tuple_type": "expected a list",
    "finite_number": "expected a finite number",
    "greater_than": "expected a value greater than {gt:g}",
    "greater_than_equal": "expected a value of at least {ge:g}",
    "less_than": "expected a value less than {lt:g}",
    "less_than_equal": "expected a value of at most {le:g}",
    "too_short": "expected at least {min_length} of them",
    "string_too_short": "expected some text",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "expected letters, digits and . _ - (a letter or digit first)",
    "literal_error": "expected {expected}",
}
"""Pydantic's error types, as the expectation that was not met."""


class Problem(NamedTuple):
    """One thing that is wrong in a grid file, and where."""

    location: Location
    sentence: str


def schema_problems(error: ValidationError, schema: type[BaseModel] = Grid) -> list[Problem]:
    """Pydantic's errors in a section, that of the whole file if omitted, in our words."""
    details = error.errors(include_url=False)
    return [_problem(each, schema) for each in details if not _follows_from_another(each)]


def _follows_from_another(details: ErrorDetails) -> bool:
    """Whether a list counts as too short only because pydantic left out the items that have errors of their own."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _problem(details: ErrorDetails, schema: type[BaseModel]) -> Problem:
    place, kind, context = tuple(details["loc"]), details["type"], details.get("ctx", {})
    # Behind "data" pydantic names the format, by which the section's class was chosen.
    location = (*place[:1], *place[2:]) if place[:1] == ("data",) else place
    if place[:2] == ("search", "grid"):  # and here whether it is one product or several
        location = (*place[:2], *place[3:])
    if kind == "extra_forbidden":
        return Problem(location, f"unknown key{suggestion(str(place[-1]), known_keys(place[:-1], schema))}")
    if kind == "union_tag_invalid":
        expected = f"expected one of the formats {context['expected_tags']}"
        return Problem((*location, "format"), f"{expected}, got {shown(context['tag'])}")
    if kind == "missing":
        return Problem(location, "expected a value, got none")
    expected = str(context["error"]) if kind == "value_error" else EXPECTED.get(kind, details["msg"]).format(**context)
    # Our own validators say what came where that is not simply the value.
    return Problem(location, expected if "got " in expected else f"{expected}, got {shown(details['input'])}")


def suggestion(key: str, known: list[str]) -> str:
    """Advice that follows "unknown key": the nearest known key, or all of them."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; expected one of {', '.join(known)}" if known else ""


def known_keys(location: Location, schema: type[BaseModel] = Grid) -> list[str]:
    """The keys of the section at `location` below a section, that of the whole file if omitted, as YAML names them.

    A section that has several classes is the first of them, unless what follows it in `location` is the tag of another,
    as for `("data", "arrays")`.
    """
    model = schema
    tagged: dict[str, type[BaseModel]] = {}
    for part in location:
        field = next((field for name, field in model.model_fields.items() if part in (name, field.alias)), None)
        section = tagged.get(str(part)) or (None if field is None else section_in(field.annotation))
        tagged = {} if field is None else dict(_tagged_sections(field))
        # Below a dictionary (a sampler's space) the path has a key that is no field; the section stays the same.
        model = section or model
    return [field.alias or name for name, field in model.model_fields.items()]


def shown(value: object) -> str:
    """A value as it could stand in YAML, shortened."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section class in an annotation such as `Sampler | None` or `dict[str, Distribution]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := section_in(part))), None)


def _tagged_sections(field: FieldInfo) -> Iterator[tuple[str, type[BaseModel]]]:
    """The classes of a field that has one for each tag, by tag."""
    for part in get_args(field.annotation):
        section, *metadata = get_args(part) or (part,)
        for tag in metadata:
            if isinstance(tag, Tag):
                yield tag.tag, section
