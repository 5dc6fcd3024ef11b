"""A mixture of NeXtVLADs that distil each other while they are trained (Lin, Xiao and Fan 2018, arXiv 1811.05014)."""

from gapsack.models.families.mix_nextvlad.family import FAMILY

__all__ = ["FAMILY"]
