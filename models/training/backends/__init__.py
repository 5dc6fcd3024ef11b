"""What a training step needs from TensorFlow or JAX; the Keras backend decides which one runs."""
