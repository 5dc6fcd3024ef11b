"""Keras layers of the model families, in `keras.ops` alone, so that they run on every Keras backend."""
