"""Exact sizes of models from their hyperparameters alone, with neither a backend nor a built model.

Size in bytes counts every stored tensor, moving means and variances included. This reproduces all 36 sizes of Table 1
of Liu & Liu 2018 (arXiv 1808.06739) to the printed digit; the paper's "MB" is the MiB, 2**20 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gapsack.models import precisions, registry
from gapsack.models.tensors import Tensor

PRECISIONS: tuple[str, ...] = precisions.names()


def tensors(family: str, hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every stored tensor of the model; InputError as `Family.validate`."""
    chosen = registry.family(family)
    return chosen.tensors(chosen.validate(hyperparameters))


@dataclass(frozen=True)
class ModelSizes:
    """A model's stored values, and its bytes at each of `PRECISIONS`."""

    parameters: int
    size_bytes: dict[str, int]


def model_sizes(family: str, hyperparameters: Mapping[str, Any]) -> ModelSizes:
    """`parameter_count`, and `size_bytes` at each of `PRECISIONS`, of a model whose tensors are listed once."""
    counted = (_tensor_sizes(tensor.shape, tensor.group) for tensor in tensors(family, hyperparameters))
    parameters, *stored = map(sum, zip(*counted, strict=True))
    return ModelSizes(parameters, dict(zip(PRECISIONS, stored, strict=True)))


@lru_cache(maxsize=2**16)
def _tensor_sizes(shape: tuple[int, ...], group: str | None) -> tuple[int, ...]:
    """Values of a tensor, and its bytes at each of `PRECISIONS`: all that these ask is its shape and its group."""
    tensor = Tensor("", shape, group=group)
    return tensor.count, *(precisions.precision(name).tensor_bytes(tensor) for name in PRECISIONS)


def size_bytes(family: str, hyperparameters: Mapping[str, Any], precision: str) -> int:
    """Bytes of all tensors of the model, stored at `precision` (one of `PRECISIONS`)."""
    stored = tensors(family, hyperparameters)
    rule = precisions.precision(precision, stored)
    return sum(rule.tensor_bytes(tensor) for tensor in stored)


def parameter_count(family: str, hyperparameters: Mapping[str, Any]) -> int:
    """Stored values of the model, moving statistics included, so that float32 bytes are four times this."""
    return sum(tensor.count for tensor in tensors(family, hyperparameters))
