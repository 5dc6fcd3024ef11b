"""The Optuna study of a run: a journal in its folder, or in a database that the grid names.

What is true of a run its trials' records say. The study follows them: trials that are done and that it lacks are added,
and one that is lost, damaged or of another space is begun anew. So `optuna.load_study` and optuna-dashboard see the
sweep as it goes, and nothing of a run depends on them.

Importing this module imports Optuna.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.optuna_space import distribution
from gapsack.sweep.cluster.scores import Direction
from gapsack.sweep.grid.searching import Distribution, Sampler
from gapsack.sweep.runs.folder import RunFolder

TRIAL = "trial"
"""Attribute of a study's trial: the name of the sweep's."""

REPEATS = "repeats"
"""Attribute of a proposal that was made before: the name of the trial that has its scores."""

REASON = "reason"
"""Attribute of a proposal that was not trained: why."""

RUN_FOLDER = "gapsack.run_folder"
"""Attribute of a study: whose it is."""


def open_study(
    run: RunFolder, settings: Sampler, sampler: BaseSampler, directions: Mapping[str, Direction]
) -> optuna.Study:
    """The study of a run, as it was left, or a new one; what had been running counts as failed there.

    It bears the run's name. Where a study of that name is another run's, or of other objectives or axes, a number
    follows: `name-2`.

    Raises:
        InputError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = _storage(run, settings)
        study = _study(storage, run, settings.space, sampler, directions)
    except (StorageInternalError, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        where = run.study_file if settings.storage is None else without_password(settings.storage)
        raise InputError(
            f"expected an Optuna study in {where} (search.sampler.storage), got {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no reason'}"
        ) from error
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@")).geturl()


def _storage(run: RunFolder, settings: Sampler) -> BaseStorage:
    if settings.storage is not None:
        return get_storage(settings.storage)
    run.path.mkdir(parents=True, exist_ok=True)
    _mend(run.study_file)
    try:
        return JournalStorage(JournalFileBackend(str(run.study_file)))
    except (ValueError, KeyError, AssertionError):  # no journal, or one with a hole: the records have all that is in it
        run.study_file.replace(run.study_file.with_suffix(".damaged"))
        return JournalStorage(JournalFileBackend(str(run.study_file)))


def _mend(journal: Path) -> None:
    """Undo what a process that was killed left: its lock (the run is held by one driver), and half a line."""
    Path(f"{journal}.lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(journal, whole)


def _study(
    storage: BaseStorage,
    run: RunFolder,
    space: Mapping[str, Distribution],
    sampler: BaseSampler,
    directions: Mapping[str, Direction],
) -> optuna.Study:
    names = set(optuna.get_all_study_names(storage))
    for number in itertools.count(1):
        name = run.name if number == 1 else f"{run.name}-{number}"
        if name not in names:
            study = optuna.create_study(
                storage=storage, study_name=name, sampler=sampler, directions=list(directions.values())
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names(list(directions))
            break
        study = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
        if _is_ours(study, run) and _is_alike(study, space, directions):
            break
    study.set_user_attr(RUN_FOLDER, str(run.path))
    return study


def _is_ours(study: optuna.Study, run: RunFolder) -> bool:
    """Whether a study is this run's, which may have been moved; that of a copy is the first one's."""
    noted = study.user_attrs.get(RUN_FOLDER)
    return noted is not None and (noted == str(run.path) or not RunFolder(noted).config_file.exists())


def _is_alike(study: optuna.Study, space: Mapping[str, Distribution], directions: Mapping[str, Direction]) -> bool:
    """Whether a study has these objectives, and trials from a space that may go on as this one."""
    if [direction.name.lower() for direction in study.directions] != list(directions.values()):
        return False
    if study.metric_names not in (None, list(directions)):
        return False
    now = {key: distribution(axis) for key, axis in space.items()}
    try:
        for trial in study.get_trials(deepcopy=False):
            for key, before in trial.distributions.items():
                if key in now:
                    check_distribution_compatibility(before, now[key])
    except ValueError:
        return False
    return True
