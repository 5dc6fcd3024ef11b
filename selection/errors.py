"""The root of every error that gapsack raises on purpose, and those that choosing raises.

GapsackError
├── InputError            something a person gave us is wrong; command lines print it as one sentence and exit with 2
│   ├── DamagedFileError  a file of ours no longer holds what was written to it
│   ├── PoolError         a candidate pool: unaligned ids, scores outside [0, 1], duplicate names
│   │   └── DamagedCandidateError       files of one candidate that cannot be read; the others are as good as ever
│   ├── BudgetError       a budget that nothing fits
│   ├── UndefinedMetricError  a metric that has no value on some items, such as an area under a curve of no point
│   └── ConfigError, DataError          `gapsack.sweep.errors`
├── TrainingError, GraphError           `gapsack.models.errors`
└── ClusterError                        `gapsack.sweep.errors`
"""

from __future__ import annotations


class GapsackError(Exception):
    """Root of all errors raised on purpose. The message is one sentence: what was expected, what came, and where."""


class InputError(GapsackError):
    """Input from outside is wrong."""


class DamagedFileError(InputError):
    """A file that gapsack wrote was cut, emptied or overwritten since, or is another thing altogether."""


class PoolError(InputError):
    """A candidate pool breaks its contract."""


class DamagedCandidateError(PoolError):
    """A file of one candidate is missing, cut, emptied or overwritten, so that nothing can be read from it."""


class BudgetError(InputError):
    """No candidate fits the budget."""


class UndefinedMetricError(InputError):
    """A metric has no value on these items, and might have one on others."""
