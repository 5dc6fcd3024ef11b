"""Builders as people write them; found by path, as a grid names them."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def dense(
    inputs: Any, classes: int, *, hidden: int = 64, rate: float = 0.1, norm: bool = True, act: str = "relu"
) -> Any:
    x = layers.GlobalAveragePooling1D()(inputs["frames"])
    x = layers.Dense(hidden, activation=act)(x)
    if norm:
        x = layers.BatchNormalization()(x)
    x = layers.Dropout(rate)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="sigmoid")(x))


def convolution(inputs: Any, classes: int, filters: int = 16) -> Any:
    x = layers.LayerNormalization()(inputs["frames"])
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(filters, 3, padding="same", activation="relu")(x))
    return layers.Dense(classes, activation="sigmoid")(x)


def gru(inputs: Any, classes: int, units: int = 8) -> Any:
    return layers.Dense(classes, activation="sigmoid")(layers.GRU(units)(inputs["frames"]))


def lstm(inputs: Any, classes: int, units: int = 8) -> Any:
    return layers.Dense(classes, activation="sigmoid")(layers.Bidirectional(layers.LSTM(units))(inputs["frames"]))


def attention(inputs: Any, classes: int) -> Any:
    x = layers.MultiHeadAttention(2, 8)(inputs["frames"], inputs["frames"])
    return layers.Dense(classes, activation="sigmoid")(layers.GlobalAveragePooling1D()(x))


def sequential(inputs: Any, classes: int) -> Any:
    del inputs
    pool = layers.GlobalAveragePooling1D()
    return keras.Sequential([pool, layers.Dense(8), layers.Dense(classes, activation="sigmoid")])


class Subclass(keras.Model):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.hidden = layers.Dense(8)
        self.last = layers.Dense(classes, activation="sigmoid")

    def call(self, inputs: Any) -> Any:
        count = keras.ops.cast(inputs["num_frames"], "float32")[:, None]
        return self.last(self.hidden(keras.ops.sum(inputs["frames"], axis=1) / count))


def subclass(inputs: Any, classes: int) -> Any:
    del inputs
    return Subclass(classes)


def arrays(inputs: Any, classes: int, hidden: int = 12) -> Any:
    x = layers.Concatenate()([layers.Flatten()(given) for given in inputs.values()])
    return layers.Dense(classes, activation="softmax")(layers.Dense(hidden, activation="relu")(x))


def deep(inputs: Any, classes: int) -> Any:
    x = layers.GlobalAveragePooling1D()(inputs["frames"])
    for _ in range(7):
        x = layers.Dense(20)(x)
    return layers.Dense(classes, activation="sigmoid")(x)


def logits(inputs: Any, classes: int) -> Any:
    return layers.Dense(classes)(layers.GlobalAveragePooling1D()(inputs["frames"]))


def by_frame(inputs: Any, classes: int) -> Any:
    return layers.Dense(classes, activation="sigmoid")(inputs["frames"])


def narrow(inputs: Any, classes: int) -> Any:
    x = layers.GlobalAveragePooling1D()(inputs["frames"])
    return layers.Dense(classes, activation="sigmoid")(layers.Dense(4, dtype="float16")(x))


def broken(inputs: Any, classes: int) -> Any:
    raise RuntimeError(f"no model of {classes} classes and {len(inputs)} inputs")


def unknown_default(inputs: Any, classes: int, sizes: tuple[int, ...] = (1, 2)) -> Any:
    raise NotImplementedError(sizes)


def wrong_parameters(task: Any) -> Any:
    raise NotImplementedError(task)


def taken_parameter(inputs: Any, classes: int, frames: int = 3) -> Any:
    raise NotImplementedError(frames)


def heads(inputs: Any, classes: int, form: str = "names", scored: str = "predictions") -> Any:
    """Two outputs, of which the second has a layer of its own."""
    x = layers.Dense(8, name="body")(layers.GlobalAveragePooling1D()(inputs["frames"]))
    first = layers.Dense(classes, activation="sigmoid", name=scored)(x)
    second = layers.Dense(3, activation="softmax", name="mood")(layers.Dense(50, name="further")(x))
    if form == "names":
        return keras.Model(inputs, {scored: first, "mood": second})
    if form == "list":
        return keras.Model(inputs, [second, first])
    return {"mood": second, scored: first} if form == "outputs" else [first]
