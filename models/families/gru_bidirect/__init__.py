"""The bidirectional GRU of the 2018 winners (Skalic and Austin 2018)."""

from gapsack.models.families.gru_bidirect.family import FAMILY

__all__ = ["FAMILY"]
