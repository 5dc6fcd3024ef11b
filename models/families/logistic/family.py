"""The logistic model of the YouTube-8M starter code (Abu-El-Haija et al. 2016, arXiv 1609.08675).

Of the mean of a video's features, of norm 1: what video-level data hold. Names are those of the starter's graph.
"""

from __future__ import annotations

from gapsack.models.kinds.logistic import logistic_family

FAMILY = logistic_family("logistic", frames_of_norm_1=False)
