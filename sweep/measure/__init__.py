"""Scores of models and graphs on held-out data."""
