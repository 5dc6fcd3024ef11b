"""What Tune asks for the next trial: the listed points, or an Optuna sampler. Both suggest a point's axes.

Importing this module imports Ray Tune and Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from gapsack.sweep.cluster.optuna_space import distribution, suggested
from gapsack.sweep.cluster.scores import FinishedTrial, GapAndSize, Scores
from gapsack.sweep.cluster.study import REASON, REPEATS, TRIAL
from gapsack.sweep.grid.searching import Sampler
from gapsack.sweep.grid.small_space import space_points

Axes = Mapping[str, Any]

MAX_REPEATS = 100
"""After as many proposals in a row of what is known already or cannot be trained, a sampler has nothing new to say."""

MAX_DRAWS = 10_000
"""Points of an endless space that are then drawn at random, until one can be trained."""


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


class SampledTrials(Searcher):
    """Suggests points that an Optuna study proposes, with finished trials told to it, and those `waiting` first.

    A point proposed again is never trained again: its scores, or that there are none yet, are told to the sampler,
    which then proposes another; so is one that cannot be trained. The budget counts the trials that are done and those
    that are suggested. When a sampler keeps proposing such points, those of a small space are gone through, so that
    none is left out by chance, and others are drawn from a large one.

    Args:
        sampler: The grid's section.
        study: Of that space and of the objectives of `scores`.
        known: The trials that are done; the study is told of those that it lacks.
        ended: Points of trials that ended without a score, since they were stopped early: they count as suggested.
        waiting: Points that were begun.
        name: What the trial at a point is called; InputError where there is none.
        unusable: Why a point cannot be trained; None where it can.
        stopped: Whether to suggest no more.
        proposal: Given the names of trials that are done or running, a point to be trained before what the study would
            propose; None where it is to propose.
        scores: What is told of a trial that is done.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        study: optuna.Study,
        known: Sequence[FinishedTrial],
        ended: Sequence[Axes] = (),
        waiting: Sequence[Axes] = (),
        name: Callable[[Axes], str],
        unusable: Callable[[Axes], str | None],
        stopped: Callable[[], bool],
        scores: Scores | None = None,
        proposal: Callable[[Collection[str]], Axes | None] | None = None,
    ) -> None:
        super().__init__(metric="gap", mode="max")
        self._sampler = sampler
        self._study = study
        self._distributions = {key: distribution(space) for key, space in sampler.space.items()}
        self._score = scores or GapAndSize()
        self._left = max(0, sampler.trials - len(known) - len(ended))
        self._waiting = [dict(axes) for axes in waiting]
        self._name = name
        self._unusable = unusable
        self._stopped = stopped
        self._proposal = proposal
        self._running: dict[str, tuple[optuna.Trial, dict[str, Any]]] = {}
        self._scores = self._told()
        self._done = {trial.name for trial in known}
        self._asked = {name(axes) for axes in ended}
        for trial in known:
            if trial.name not in self._scores:
                self.add_known(trial)

    def _told(self) -> dict[str, list[float]]:
        """The scores that the study has, by the trial's name."""
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return {trial.user_attrs[TRIAL]: trial.values for trial in complete if TRIAL in trial.user_attrs}

    def add_known(self, trial: FinishedTrial) -> None:
        """Tell the study of a finished trial; one that the space does not have is left aside."""
        if not trial.axes.keys() <= self._distributions.keys():
            return
        try:
            told = optuna.trial.create_trial(
                params=dict(trial.axes),
                distributions={key: self._distributions[key] for key in trial.axes},
                values=list(self._score(trial)),
                user_attrs={TRIAL: trial.name},
            )
        except ValueError:  # a value that the space had before
            return
        self._study.add_trial(told)
        self._scores[trial.name] = told.values

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Axes of a point that is neither done nor running."""
        for attempt in range(MAX_REPEATS):
            if self._stopped() or self._left == 0:
                return str(Searcher.FINISHED)
            # A proposal that is not to be trained would come again: then it is the study's turn.
            further = self._proposal if self._proposal is not None and attempt == 0 else None
            axes = self._waiting.pop(0) if self._waiting else further and further(self._done | self._asked)
            if (found := self._ask(trial_id, axes)) is not None:
                return found
        rest = next(filter(self._is_new, self._further_points()), None)
        asked = None if rest is None else self._ask(trial_id, rest)
        return str(Searcher.FINISHED) if asked is None else asked

    def _ask(self, trial_id: str, axes: Axes | None) -> dict[str, Any] | None:
        """What the study proposes next, or this point; None for what is not to be trained, of which it is told."""
        if axes is not None:
            self._study.enqueue_trial(dict(axes))
        trial = self._study.ask()
        proposed = suggested(trial, self._sampler.space)
        reason = self._unusable(proposed)
        if reason is not None:
            trial.set_user_attr(REASON, reason)
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        name = self._name(proposed)
        if name in self._done or name in self._asked:
            trial.set_user_attr(REPEATS, name)
            self._tell(trial, self._scores.get(name))
            return None
        trial.set_user_attr(TRIAL, name)
        self._running[trial_id] = trial, proposed
        self._left -= 1
        self._asked.add(name)
        return dict(proposed)

    def _further_points(self) -> Iterator[Axes]:
        """All points of a small space; so many of a large one, drawn at random."""
        points = space_points(self._sampler)
        if points is not None:
            yield from points
            return
        seed = np.random.SeedSequence([self._sampler.seed, len(self._study.get_trials(deepcopy=False))])
        drawing = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=int(seed.generate_state(1)[0])))
        for _draw in range(MAX_DRAWS):
            yield suggested(drawing.ask(), self._sampler.space)

    def _is_new(self, axes: Axes) -> bool:
        return self._unusable(axes) is None and self._name(axes) not in self._done | self._asked

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the study how a trial came out; only a trial that is done has scores."""
        trial, axes = self._running.pop(trial_id)
        scores = None
        if not error and result is not None and result.get("status") == "done":
            name = self._name(axes)
            finished = FinishedTrial(name, axes, float(result["gap"]), int(result["size_bytes"]))
            scores = self._scores[name] = list(self._score(finished))
        self._tell(trial, scores)

    def save(self, checkpoint_path: str) -> None:
        """See `ListedTrials.save`."""

    def restore(self, checkpoint_path: str) -> None:
        """See `ListedTrials.save`."""

    def _tell(self, trial: optuna.Trial, scores: Sequence[float] | None) -> None:
        """End a trial of the study, with its scores or without."""
        if scores is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, list(scores))
