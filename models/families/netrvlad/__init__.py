"""Gated NetRVLAD, a NetVLAD without centres (Miech, Laptev and Sivic 2017, arXiv 1706.06905)."""

from gapsack.models.families.netrvlad.family import FAMILY

__all__ = ["FAMILY"]
