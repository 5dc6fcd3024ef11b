"""What is trained and shipped: layers, model families, exact sizes, precisions and the one graph.

Importing this package imports neither TensorFlow nor Keras; the modules that need them say so.
"""
