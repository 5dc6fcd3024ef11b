"""What Tune asks for the next trial: the listed points, or an Optuna sampler. Both suggest a point's axes.

Importing this module imports Ray Tune and Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from gapsack.sweep.cluster.scores import FinishedTrial, GapAndSize, Scores
from gapsack.sweep.grid.schema import Distribution, Sampler
from gapsack.sweep.grid.small_space import space_points

Axes = Mapping[str, Any]

TUNE_MODES = {"maximize": "max", "minimize": "min"}

MAX_REPEATS = 100
"""After as many proposals in a row of what is known already, a sampler has nothing new to say."""


class ListedTrials(Searcher):
    """Suggests the given points, in their order."""

    def __init__(self, points: Sequence[Axes], *, stopped: Callable[[], bool]) -> None:
        super().__init__(metric="gap", mode="max")
        self._waiting = [dict(point) for point in points]
        self._stopped = stopped

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next point's axes."""
        if self._stopped() or not self._waiting:
            return str(Searcher.FINISHED)
        return self._waiting.pop(0)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing to learn: the points are fixed."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a sweep resumes from its trials' records, never from Tune's state."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


class SampledTrials(OptunaSearch):
    """Suggests points by an Optuna sampler, with finished trials told to it, and those `waiting` suggested first.

    A point proposed again is never trained again: its scores, or that there are none yet, are told to the sampler,
    which then proposes another. The budget counts the trials that are done and those that are suggested. When a sampler
    keeps proposing what is known, the points of a small space are gone through, so that none is left out by chance.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        known: Sequence[FinishedTrial],
        waiting: Sequence[Axes] = (),
        name: Callable[[Axes], str],
        unusable: Callable[[Axes], bool],
        stopped: Callable[[], bool],
        scores: Scores | None = None,
    ) -> None:
        scores = scores or GapAndSize()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(
            space={key: distribution(space) for key, space in sampler.space.items()},
            metric=list(scores.directions),
            mode=[TUNE_MODES[direction] for direction in scores.directions.values()],
            # What is known moves the seed along: otherwise a resumed sweep would propose its first points again.
            sampler=optuna_sampler(sampler, seed=sampler.seed + len(known)),
        )
        self._sampler = sampler
        self._left = max(0, sampler.trials - len(known))
        self._name = name
        self._unusable = unusable
        self._stopped = stopped
        self._score = scores
        self._scores: dict[str, tuple[float, ...]] = {}
        self._asked: set[str] = set()
        for trial in known:
            self.add_known(trial)
        for axes in waiting:
            self._ot_study.enqueue_trial(dict(axes))

    def add_known(self, trial: FinishedTrial) -> None:
        """Tell the sampler of a finished trial (OptunaSearch's own way takes a single objective only)."""
        scores = self._scores[trial.name] = self._score(trial)
        self._ot_study.add_trial(
            optuna.trial.create_trial(params=dict(trial.axes), distributions=self._space, values=list(scores))
        )

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Axes of a point that is neither done nor running."""
        for _attempt in range(MAX_REPEATS):
            if self._stopped() or self._left == 0:
                return str(Searcher.FINISHED)
            axes: dict[str, Any] = super().suggest(trial_id)
            if self._is_new(axes):
                return self._asked_for(axes)
            self._settle(trial_id, self._scores.get(self._name(axes)))
        rest = next(filter(self._is_new, space_points(self._sampler) or ()), None)
        if rest is None:
            return str(Searcher.FINISHED)
        self._ot_study.enqueue_trial(rest)
        return self._asked_for(super().suggest(trial_id))

    def _is_new(self, axes: Axes) -> bool:
        name = self._name(axes)
        return name not in self._scores and name not in self._asked and not self._unusable(axes)

    def _asked_for(self, axes: dict[str, Any]) -> dict[str, Any]:
        self._left -= 1
        self._asked.add(self._name(axes))
        return axes

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the sampler how a trial came out; only a trial that is done has scores."""
        done = not error and result is not None and result.get("status") == "done"
        scores = None
        if done and result is not None:
            axes = self._ot_trials[trial_id].params
            trial = FinishedTrial(self._name(axes), axes, float(result["gap"]), int(result["size_bytes"]))
            scores = self._scores[trial.name] = self._score(trial)
        self._settle(trial_id, scores)

    def save(self, checkpoint_path: str) -> None:
        """See `ListedTrials.save`."""

    def restore(self, checkpoint_path: str) -> None:
        """See `ListedTrials.save`."""

    def _settle(self, trial_id: str, scores: Sequence[float] | None) -> None:
        """End Optuna's own trial, with its scores or without."""
        trial = self._ot_trials.pop(trial_id)
        if scores is None:
            self._ot_study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._ot_study.tell(trial, list(scores))


def distribution(space: Distribution) -> BaseDistribution:
    """A hyperparameter's space as Optuna has it."""
    if space.choices is not None:
        return CategoricalDistribution(space.choices)
    assert space.low is not None and space.high is not None
    if space.is_integer:
        return IntDistribution(int(space.low), int(space.high), step=int(space.step or 1), log=space.log)
    return FloatDistribution(space.low, space.high, step=space.step, log=space.log)


def optuna_sampler(sampler: Sampler, *, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of the grid file's kind."""
    kinds = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=max(4, sampler.trials // 4)),
    }
    return kinds[sampler.kind]()
