"""Tensors of recurrent networks over frames, by the names of TensorFlow 1's cells."""

from __future__ import annotations

import math
from typing import Literal

from gapsack.models.blocks import common
from gapsack.models.hyperparameters import Hyperparameter, Number
from gapsack.models.tensors import Shapes, Tensor

CellKind = Literal["lstm", "gru"]

HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    Number("cells", "N, width of a layer's state"),
    common.CLASSES,
    common.RGB,
    common.OPTIONAL_AUDIO,
)
LAYERS = Number("layers", "recurrent layers, one on the other", below=65, default=2)


def lstm(scope: str, width: int, cells: int) -> list[Tensor]:
    """Kernel [inputs + state, 4 cells] and biases of an LSTM: input, candidate, forget and output gates."""
    inner = f"{scope}/basic_lstm_cell"
    return [_kernel(f"{inner}/kernel", width + cells, 4 * cells), Tensor(f"{inner}/bias", (4 * cells,))]


def gru(scope: str, width: int, cells: int) -> list[Tensor]:
    """Kernels and biases of a GRU: reset and update gates, whose biases begin at 1, and the candidate."""
    inner = f"{scope}/gru_cell"
    return [
        _kernel(f"{inner}/gates/kernel", width + cells, 2 * cells),
        Tensor(f"{inner}/gates/bias", (2 * cells,), mean=1.0),
        _kernel(f"{inner}/candidate/kernel", width + cells, cells),
        Tensor(f"{inner}/candidate/bias", (cells,)),
    ]


def stack(cell: CellKind, root: str, width: int, cells: int, layers: int) -> list[Tensor]:
    """Layers of as many cells one on the other, under `root`."""
    tensors = lstm if cell == "lstm" else gru
    widths = [width, *[cells] * (layers - 1)]
    return [
        tensor for index, inputs in enumerate(widths) for tensor in tensors(layer_scope(root, index), inputs, cells)
    ]


def layer_scope(root: str, index: int) -> str:
    """Of the tensors of a layer."""
    return f"{root}/multi_rnn_cell/cell_{index}"


def recognised(cell: CellKind, shapes: Shapes, root: str) -> dict[str, int]:
    """Cells of the lowest layer under `root`, and the features of frames that go into it."""
    lowest = layer_scope(root, 0)
    if cell == "lstm":
        rows, columns = shapes[f"{lowest}/basic_lstm_cell/kernel"]
        cells = columns // 4
    else:
        rows, cells = shapes[f"{lowest}/gru_cell/candidate/kernel"]
    return {"cells": cells, **common.recognised_width(rows - cells)}


def recognised_cells(cell: CellKind, shapes: Shapes, root: str) -> int:
    """Cells of the lowest layer under `root`, by its biases alone."""
    lowest = layer_scope(root, 0)
    if cell == "lstm":
        return shapes[f"{lowest}/basic_lstm_cell/bias"][0] // 4
    return shapes[f"{lowest}/gru_cell/candidate/bias"][0]


def recognised_layers(shapes: Shapes, root: str) -> dict[str, int]:
    """How many layers there are under `root`."""
    layers = 0
    while common.present(shapes, f"{layer_scope(root, layers)}/"):
        layers += 1
    return {"layers": layers}


def _kernel(name: str, rows: int, columns: int) -> Tensor:
    return Tensor(name, (rows, columns), deviation=math.sqrt(2 / (rows + columns)), group="kernels")


def graph_bytes(loops: int) -> int:
    """Upper bound of what a network with so many loops over time takes in the graph beside its weights."""
    return (20 + 18 * loops) * 1024
