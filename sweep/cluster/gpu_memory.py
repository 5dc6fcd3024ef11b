"""How much GPU memory a trial will take, from its hyperparameters alone, so that several trials can share a GPU."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from gapsack.models import registry
from gapsack.selection.errors import InputError
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.schema import Training
from gapsack.sweep.grid.video_data import Data

FLOAT_BYTES = 4

COPIES = 5
"""Float32 values held for each weight: itself, its gradient, the clipped gradient, and Adam's two moments."""

LIVES = 4
"""Float32 values held for each value of an activation: itself, what a norm or a softmax made of it, their gradients."""

FIXED_BYTES = 3 * 2**29
"""CUDA context, kernels, and the workspaces of the matrix library: 1.5 GiB."""


def training_bytes(family: str, hyperparameters: Mapping[str, Any], data: Data | ArrayData, training: Training) -> int:
    """Predicted peak of GPU memory while a trial trains; rather too much than too little.

    Without the fixed part it is 1.3 to 1.5 times what XLA's own account of the compiled step says, from K8-H128 to
    K32-H1024 with batches of 80 and 160.

    Weights, gradients and moments are exact. How many values its layers give for a video the family says.
    """
    chosen = registry.family(family)
    complete = chosen.validate(hyperparameters)
    tensors = chosen.tensors(complete)
    weights = sum(tensor.count for tensor in tensors)
    copies = COPIES + (training.ema_decay is not None)
    activations = chosen.activation_count(complete, data.view(chosen, complete, training.sample_frames))
    videos = training.batch_size // training.accumulate
    return FIXED_BYTES + FLOAT_BYTES * (copies * weights + LIVES * activations * videos)


def gpu_share(needed_bytes: int, gpu_bytes: int) -> float:
    """The share of a GPU that holds `needed_bytes`, rounded up to a percent.

    Raises:
        InputError: it is more than a GPU has.
    """
    if needed_bytes > gpu_bytes:
        raise InputError(
            f"expected a trial that fits a GPU of {gpu_bytes / 2**30:.1f} GiB, got one that is predicted to need "
            f"{needed_bytes / 2**30:.1f} GiB (training.accumulate cuts batches into parts)"
        )
    return -(-100 * needed_bytes // gpu_bytes) / 100


def smallest_gpu_bytes() -> int:
    """Memory of the smallest GPU of this machine.

    Raises:
        InputError: nvidia-smi finds none here.
    """
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return min(int(line) for line in output.split()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InputError(
            "expected a GPU that nvidia-smi finds, or resources.gpu_memory_gib, for resources.gpus: auto, "
            f"got {type(error).__name__}: {error}"
        ) from error
