"""Two kinds of models for images of 8 by 8 pixels: a perceptron and a small convolutional network."""

import keras


def build(inputs, classes, kind="mlp", width=32, rate=0.2):
    """What grid.yaml names: from symbolic inputs by name to probabilities. Its keywords are hyperparameters."""
    image = inputs["image"]
    layer = perceptron(image, width) if kind == "mlp" else convolutions(image, width)
    layer = keras.layers.Dropout(rate)(layer)
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(layer))


def perceptron(image, width):
    """One hidden layer."""
    layer = keras.layers.Flatten()(image)
    return keras.layers.Dense(4 * width, activation="relu")(layer)


def convolutions(image, width):
    """Two convolutions, each halving the image."""
    layer = keras.layers.Reshape((8, 8, 1))(image)
    for filters in (width // 2, width):
        layer = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(layer)
        layer = keras.layers.MaxPooling2D()(layer)
    return keras.layers.Flatten()(layer)
