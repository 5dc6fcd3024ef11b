"""The candidate pool: models to choose from, with their sizes and what they predict for the same videos."""

from gapsack.selection.pool.candidates import (
    Candidate,
    CandidatePool,
    Labels,
    Predictions,
    write_candidate,
    write_labels,
)

__all__ = ["Candidate", "CandidatePool", "Labels", "Predictions", "write_candidate", "write_labels"]
