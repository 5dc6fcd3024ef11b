"""What is raised where runs are described and data are read."""

from __future__ import annotations

from gapsack.selection.errors import InputError


class ConfigError(InputError):
    """A grid file is wrong; the message has one line for each wrong key."""


class DataError(InputError):
    """Data files are missing, or too large a share of their records is faulty."""
