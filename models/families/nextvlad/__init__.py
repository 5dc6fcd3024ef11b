"""NeXtVLAD (Lin, Xiao and Fan 2018, arXiv 1811.05014)."""

from gapsack.models.families.nextvlad.family import FAMILY

__all__ = ["FAMILY"]
