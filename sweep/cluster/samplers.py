"""Optuna's samplers, as a grid file names them.

Importing this module imports Optuna.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence

import optuna
from optuna import samplers
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from gapsack.sweep.grid.searching import SAMPLER_PACKAGES, Sampler

QUIET = {"warn_asynchronous_seeding": False, "warn_independent_sampling": False}
"""Of quasi-random sequences: axes that are no numbers are drawn at random, as the docs say."""

SMALLEST_POPULATION = 4
"""Of a genetic algorithm: fewer have nothing to cross."""


class AskedBruteForce(samplers.BruteForceSampler):
    """Goes through all points for whoever asks and tells: after the last one Optuna's own would end `Study.optimize`,
    which is not what runs trials here, and fail.
    """

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Nothing to end."""


def require_packages(sampler: Sampler | None) -> None:
    """Raise MissingExtraError, an InputError that says what to install, where a sampler lacks its package."""
    if sampler is not None and sampler.kind in SAMPLER_PACKAGES:
        importlib.import_module(SAMPLER_PACKAGES[sampler.kind])


def optuna_sampler(sampler: Sampler, *, seed: int) -> BaseSampler:
    """The sampler of the grid file's kind.

    Raises:
        MissingExtraError: it needs a package that is not installed.
    """
    require_packages(sampler)
    conditional = any(space.when for space in sampler.space.values())
    population = max(SMALLEST_POPULATION, sampler.trials // 4)
    kinds: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: samplers.TPESampler(seed=seed, multivariate=True, group=conditional, constant_liar=True),
        "gp": lambda: samplers.GPSampler(seed=seed, warn_independent_sampling=False),
        "cmaes": lambda: samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=population),
        "nsga3": lambda: samplers.NSGAIIISampler(seed=seed, population_size=population),
        "qmc": lambda: samplers.QMCSampler(seed=seed, scramble=True, **QUIET),
        "random": lambda: samplers.RandomSampler(seed=seed),
        "brute_force": lambda: AskedBruteForce(seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return kinds[sampler.kind]()
