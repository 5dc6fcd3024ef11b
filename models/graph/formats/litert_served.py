"""A LiteRT graph, loaded and run by the interpreter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.graph.names import SIGNATURE
from gapsack.models.graph.network import OUTPUTS
from gapsack.models.graph.output import GraphOutput
from gapsack.selection.errors import InputError


class LiteGraph:
    """A converted graph of `models.graph.formats.litert`; a `Predictor`.

    `content` is the flatbuffer, or its path.

    Raises:
        InputError: It is no flatbuffer, or has no signature of `build_graph`.
    """

    def __init__(self, content: bytes | str | Path) -> None:
        import tensorflow as tf

        where = "the flatbuffer" if isinstance(content, bytes) else str(content)
        try:
            model = content if isinstance(content, bytes) else Path(content).read_bytes()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated", UserWarning)
                self._runner = tf.lite.Interpreter(model_content=model).get_signature_runner(SIGNATURE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"expected a LiteRT graph with the signature {SIGNATURE} in {where}, got {error}"
            ) from error
        missing = set(OUTPUTS) - set(self._runner.get_output_details())
        if missing:
            raise InputError(
                f"expected the outputs {', '.join(OUTPUTS)} in {where}, got no {', '.join(sorted(missing))}"
            )

    def predict(self, frames: NDArray[Any], num_frames: NDArray[Any]) -> GraphOutput:
        """See `Predictor.predict`."""
        answer = self._runner(frames=np.asarray(frames), num_frames=np.asarray(num_frames, np.int32))
        return GraphOutput(*(answer[name] for name in OUTPUTS))
