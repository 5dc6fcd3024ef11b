"""The study of a run: read by Optuna's own functions, gone on with, begun anew where it must be."""

import warnings

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from ray.tune.search import Searcher

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.samplers import optuna_sampler, require_packages
from gapsack.sweep.cluster.scores import OBJECTIVES, FinishedTrial
from gapsack.sweep.cluster.searchers import SampledTrials
from gapsack.sweep.cluster.study import open_study, without_password
from gapsack.sweep.grid.searching import Sampler
from gapsack.sweep.runs.folder import RunFolder

SPACE = {
    "clusters": {"choices": [2, 4, 8]},
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "training.schedule": {"choices": ["staircase", "cosine"]},
    "training.decay_rate": {"low": 0.5, "high": 0.9, "when": {"training.schedule": "staircase"}},
}


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "sweep")
    folder.path.mkdir()
    folder.config_file.write_text("{}")
    return folder


def sampler(space=SPACE, **options):
    return Sampler.model_validate({"trials": 6, "space": space, **options})


def name(axes):
    return "-".join(f"{key}{value}" for key, value in axes.items())


def begin(run, settings, known=(), unusable=lambda _axes: None, waiting=()):
    scores = OBJECTIVES[settings.objective]()
    study = open_study(run, settings, optuna_sampler(settings, seed=settings.seed + len(known)), scores.directions)
    return SampledTrials(
        settings,
        study=study,
        known=known,
        name=name,
        unusable=unusable,
        stopped=lambda: False,
        scores=scores,
        waiting=waiting,
    )


def train(search, count, first=0):
    """Ask for trials and tell their scores; the finished ones."""
    done = []
    for number in range(first, first + count):
        axes = search.suggest(f"t{number}")
        if axes == Searcher.FINISHED:
            break
        trial = FinishedTrial(name(axes), axes, 0.5 + 0.01 * axes["clusters"], 100 * axes["clusters"])
        search.on_trial_complete(f"t{number}", {"status": "done", "gap": trial.gap, "size_bytes": trial.size_bytes})
        done.append(trial)
    return done


def loaded(run, study_name="sweep"):
    storage = JournalStorage(JournalFileBackend(str(run.study_file)))
    return optuna.load_study(study_name=study_name, storage=storage)


def complete(study):
    return [trial for trial in study.trials if trial.state == TrialState.COMPLETE]


def test_optuna_reads_the_study_of_a_run(run):
    done = train(begin(run, sampler()), 6)
    study = loaded(run)
    assert study.metric_names == ["gap", "size_bytes"]
    assert [trial.user_attrs["trial"] for trial in complete(study)] == [trial.name for trial in done]
    assert [trial.params for trial in complete(study)] == [trial.axes for trial in done]
    assert [trial.values for trial in complete(study)] == [[trial.gap, trial.size_bytes] for trial in done]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that six trials are few
        assert set(optuna.importance.get_param_importances(study)) == set(SPACE)


def test_an_axis_is_there_only_where_its_condition_holds(run):
    for trial in train(begin(run, sampler(trials=12)), 12):
        assert ("training.decay_rate" in trial.axes) == (trial.axes["training.schedule"] == "staircase")


def test_a_study_goes_on_and_a_trial_that_ran_is_proposed_again(run):
    first = begin(run, sampler())
    done = train(first, 3)
    begun = first.suggest("killed")
    second = begin(run, sampler(), known=done, waiting=[begun])
    assert second.suggest("again") == begun
    second.on_trial_complete("again", {"status": "failed", "reason": "…"})
    rest = train(second, 9)
    assert len(done) + 1 + len(rest) == 6
    assert not {trial.name for trial in done} & {trial.name for trial in rest}
    assert len(complete(loaded(run))) == 5
    assert all(trial.state.is_finished() for trial in loaded(run).trials)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("no journal\n{}\n")])
def test_a_lost_or_damaged_study_is_made_anew_from_what_is_done(run, spoil):
    done = train(begin(run, sampler()), 4)
    spoil(run.study_file)
    begin(run, sampler(), known=done)
    assert [trial.values for trial in complete(loaded(run))] == [[trial.gap, trial.size_bytes] for trial in done]


def test_half_a_line_and_a_lock_that_a_killed_process_left_are_undone(run):
    done = train(begin(run, sampler()), 2)
    with run.study_file.open("a") as file:
        file.write('{"op_code": 5, "work')
    lock = run.study_file.with_name(run.study_file.name + ".lock")
    lock.symlink_to(run.study_file)
    train(begin(run, sampler(), known=done), 1)
    assert len(complete(loaded(run))) == 3


def test_other_objectives_or_choices_begin_another_study_which_is_told_what_fits(run):
    done = train(begin(run, sampler()), 3)
    begin(run, sampler(objective="gap"), known=done)
    assert [trial.values for trial in complete(loaded(run, "sweep-2"))] == [[trial.gap] for trial in done]
    fewer = SPACE | {"clusters": {"choices": [2, 4]}}
    begin(run, sampler(fewer), known=done)
    fits = [trial for trial in done if trial.axes["clusters"] in (2, 4)]
    assert len(complete(loaded(run, "sweep-3"))) == len(fits)
    begin(run, sampler(), known=done)
    assert len(optuna.get_all_study_names(JournalStorage(JournalFileBackend(str(run.study_file))))) == 3


def test_an_axis_that_is_added_goes_on_in_the_same_study(run):
    done = train(begin(run, sampler()), 2)
    more = {**SPACE, "training.seed": {"choices": [0, 1]}}
    rest = train(begin(run, sampler(more), known=done), 9)
    assert len(rest) == 4
    assert all("training.seed" in trial.axes for trial in rest)
    assert len(complete(loaded(run))) == 6


def test_a_study_in_a_database(run, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    done = train(begin(run, sampler(storage=url)), 2)
    assert not run.study_file.exists()
    study = optuna.load_study(study_name="sweep", storage=url)
    assert [trial.values[0] for trial in complete(study)] == [trial.gap for trial in done]
    other = RunFolder(tmp_path / "elsewhere" / "sweep")
    begin(other, sampler(storage=url))
    assert optuna.get_all_study_names(url) == ["sweep", "sweep-2"]
    with pytest.raises(InputError, match=r"expected an Optuna study in nosuch:///x \(search.sampler.storage\), got"):
        begin(run, sampler(storage="nosuch:///x"))


def test_a_password_is_not_shown():
    assert without_password("postgresql://me:secret@host:5432/db") == "postgresql://me:…@host:5432/db"
    assert without_password("sqlite:///studies.db") == "sqlite:///studies.db"


def test_what_cannot_be_trained_is_not_proposed_and_the_study_says_why(run):
    space = {"clusters": {"low": 1, "high": 100_000}}

    def unusable(axes):
        return None if axes["clusters"] <= 200 else "too large"

    done = train(begin(run, sampler(space, kind="random", trials=4), unusable=unusable), 9)
    assert len(done) == 4
    assert all(trial.axes["clusters"] <= 200 for trial in done)
    failed = [trial for trial in loaded(run).trials if trial.state == TrialState.FAIL]
    assert failed
    assert {trial.user_attrs["reason"] for trial in failed} == {"too large"}


def test_a_sampler_whose_package_is_missing_says_what_to_install():
    settings = sampler(kind="gp")
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match=r"torch, which is not installed: pip install 'gapsack\[gp\]'"):
            require_packages(settings)
    else:
        require_packages(settings)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_gaussian_processes_propose_beyond_their_random_start(run, objective):
    """Fourteen trials of which ten begin; conditional axes and choices are in the space."""
    pytest.importorskip("torch", reason="gapsack[gp] is not installed")
    settings = sampler(kind="gp", trials=14, objective=objective)
    done = train(begin(run, settings), 12)
    assert len({trial.name for trial in done}) == 12
    rest = train(begin(run, settings, known=done), 4)
    assert len(rest) == 2
    assert not {trial.name for trial in done} & {trial.name for trial in rest}
