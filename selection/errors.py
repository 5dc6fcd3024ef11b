"""Every error that gapsack raises on purpose.

GapsackError
├── InputError            something a person gave us is wrong; command lines print it as one sentence and exit with 2
│   ├── ConfigError       a grid file
│   ├── DataError         data files: none found, or too many faulty records
│   ├── PoolError         a candidate pool: unaligned ids, scores outside [0, 1], duplicate names
│   └── BudgetError       a budget that nothing fits
├── TrainingError         a trial that cannot go on (a loss that is not finite)
└── GraphError            a graph that cannot be built, or that came out other than predicted
"""

from __future__ import annotations


class GapsackError(Exception):
    """Root of all errors raised on purpose. The message is one sentence: what was expected, what came, and where."""


class InputError(GapsackError):
    """Input from outside is wrong."""


class ConfigError(InputError):
    """A grid file is wrong; the message has one line for each wrong key."""


class DataError(InputError):
    """Data files are missing, or too large a share of their records is faulty."""


class PoolError(InputError):
    """A candidate pool breaks its contract."""


class BudgetError(InputError):
    """No candidate fits the budget."""


class TrainingError(GapsackError):
    """A trial cannot go on."""


class GraphError(GapsackError):
    """The one graph cannot be built, or does not agree with what was predicted of it."""
