"""The candidate pool: models to choose from, with their sizes and what they predict for the same items."""

from gapsack.selection.pool.candidate import Candidate
from gapsack.selection.pool.candidates import CandidatePool
from gapsack.selection.pool.files import write_candidate, write_labels
from gapsack.selection.pool.lists import Labels, Predictions

__all__ = ["Candidate", "CandidatePool", "Labels", "Predictions", "write_candidate", "write_labels"]
