"""Gated NetFV, a trained Fisher vector (Miech, Laptev and Sivic 2017, arXiv 1706.06905)."""

from gapsack.models.families.netfv.family import FAMILY

__all__ = ["FAMILY"]
