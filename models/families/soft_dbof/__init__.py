"""Soft-DBoF, a soft deep bag of frames (Miech, Laptev and Sivic 2017, arXiv 1706.06905)."""

from gapsack.models.families.soft_dbof.family import FAMILY

__all__ = ["FAMILY"]
