"""Exact sizes of models from their hyperparameters alone, with neither a backend nor a built model.

Size in bytes counts every stored tensor, moving means and variances included. This reproduces all 36 sizes of Table 1
of Liu & Liu 2018 (arXiv 1808.06739) to the printed digit; the paper's "MB" is the MiB, 2**20 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models import precisions, registry
from gapsack.models.tensors import Tensor

PRECISIONS: tuple[str, ...] = precisions.names()


def tensors(family: str, hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every stored tensor of the model; InputError as `Family.validate`."""
    chosen = registry.family(family)
    return chosen.tensors(chosen.validate(hyperparameters))


def size_bytes(family: str, hyperparameters: Mapping[str, Any], precision: str) -> int:
    """Bytes of all tensors of the model, stored at `precision` (one of `PRECISIONS`)."""
    stored = tensors(family, hyperparameters)
    rule = precisions.precision(precision, stored)
    return sum(rule.tensor_bytes(tensor) for tensor in stored)


def parameter_count(family: str, hyperparameters: Mapping[str, Any]) -> int:
    """Stored values of the model, moving statistics included, so that float32 bytes are four times this."""
    return sum(tensor.count for tensor in tensors(family, hyperparameters))
