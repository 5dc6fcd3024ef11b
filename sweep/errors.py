"""What is raised where runs are described and data are read."""

from __future__ import annotations

from gapsack.selection.errors import GapsackError, InputError


class ConfigError(InputError):
    """A grid file is wrong; the message has one line for each wrong key."""


class DataError(InputError):
    """Data files are missing, or too large a share of their records is faulty."""


class ClusterError(GapsackError):
    """Ray went away while trials were to be trained; what is done is done."""


class UnfitNodeError(Exception):
    """A machine cannot train what it was given. Another one may, so that it is no error that would only come again."""
