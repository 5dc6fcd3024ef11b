"""DBoF, deep bag of frames: a baseline of the YouTube-8M starter code (Abu-El-Haija et al. 2016, arXiv 1609.08675)."""

from gapsack.models.families.dbof.family import FAMILY

__all__ = ["FAMILY"]
