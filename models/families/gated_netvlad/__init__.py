"""Gated NetVLAD, the family of Liu & Liu 2018 (arXiv 1808.06739)."""

from gapsack.models.families.gated_netvlad.family import FAMILY

__all__ = ["FAMILY"]
