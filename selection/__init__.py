"""Choosing: GAP, candidate pools, Pareto filter and the search for the best ensemble under a size budget.

Pure arithmetic on numpy arrays. Nothing here imports TensorFlow, Keras, Ray or MLflow.
"""
