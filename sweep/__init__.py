"""Orchestration and the edges: grid files, trials, readers, Ray Tune, MLflow, run folders and both command lines."""
