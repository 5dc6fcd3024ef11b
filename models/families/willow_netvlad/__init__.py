"""The gated NetVLAD of the 2017 winners (Miech, Laptev and Sivic 2017, arXiv 1706.06905)."""

from gapsack.models.families.willow_netvlad.family import FAMILY

__all__ = ["FAMILY"]
