"""Gated DBoF, a bag of frames whose clusters are gated (Miech, Laptev and Sivic 2017, arXiv 1706.06905)."""

from gapsack.models.families.gated_dbof.family import FAMILY

__all__ = ["FAMILY"]
