"""The model that MLflow keeps beside a built graph: a SavedModel as an MLflow pyfunc.

MLflow stores this file itself with the model and runs it on loading, so that a logged graph needs TensorFlow, MLflow
and nothing of this project. It is therefore no module to import from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class GraphPyfunc(PythonModel):
    """The graph in `artifacts["graph"]`.

    Input, by the names in the graph's signature: {"frames": uint8 [batch, longest, width], or float32 [batch, 1, width]
    at video level; "num_frames": int32 [batch]}. Output: {"predictions": [batch, classes], "top_indices" and
    "top_scores": [batch, k]} as numpy arrays.
    """

    def load_context(self, context: Any) -> None:
        """Load the SavedModel."""
        import tensorflow as tf

        self._loaded = tf.saved_model.load(context.artifacts["graph"])

    # Without type hints: MLflow would take those for the schema of the input, and warn that they are none.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Predictions of a batch of videos."""
        import tensorflow as tf

        signature = self._loaded.signatures["serving_default"]
        inputs = {
            name: tf.constant(np.asarray(model_input[name]).astype(spec.dtype.as_numpy_dtype, casting="same_kind"))
            for name, spec in signature.structured_input_signature[1].items()
        }
        outputs = signature(**inputs)
        return {name: tensor.numpy() for name, tensor in outputs.items()}


set_model(GraphPyfunc())
