"""Names in a graph and of its files that others look up."""

from __future__ import annotations

SAVED_MODEL_FILE = "saved_model.pb"
VARIABLES_PREFIX = "variables/variables"
SIGNATURE = "serving_default"
"""Takes `frames` and `num_frames`."""
RECORDS_SIGNATURE = "serialized_records"
"""Takes `serialized`, the records themselves."""


def scope(index: int) -> str:
    """Variable scope of member `index` in the graph, as the authors named them."""
    return "tower" if index == 0 else f"tower/model{index}"
