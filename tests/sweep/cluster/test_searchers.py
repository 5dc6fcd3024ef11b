"""Searchers asked and told as Tune does, without Ray running."""

import optuna
import pytest
from ray.tune.search import Searcher

from gapsack.sweep.cluster.optuna_space import distribution
from gapsack.sweep.cluster.samplers import optuna_sampler
from gapsack.sweep.cluster.scores import OBJECTIVES, EnsembleScore, FinishedTrial
from gapsack.sweep.cluster.searchers import ListedTrials, SampledTrials
from gapsack.sweep.grid.searching import Distribution, Sampler

SPACE = {"clusters": {"choices": [2, 4, 8]}, "hidden": {"low": 8, "high": 64, "step": 8}}


KINDS = ["tpe", "cmaes", "nsga2", "nsga3", "qmc", "random", "brute_force"]


def sampler(kind="tpe", trials=12, seed=0, space=SPACE, **further):
    objective = {"objective": "gap"} if kind == "cmaes" else {}
    return Sampler.model_validate(
        {"kind": kind, "trials": trials, "seed": seed, "space": space, **objective, **further}
    )


def name(axes):
    return f"K{axes['clusters']}-H{axes['hidden']}"


def scores(axes):
    """Better near 4 clusters and hidden 40; larger models are larger."""
    gap = 0.8 - 0.01 * abs(axes["clusters"] - 4) - 0.002 * abs(axes["hidden"] - 40)
    return gap, float(axes["clusters"] * axes["hidden"])


def finished(axes):
    gap, size_bytes = scores(axes)
    return FinishedTrial(name(axes), axes, gap, int(size_bytes))


def searcher(settings, known=(), **options):
    """As a sweep begins or goes on, with a study in memory."""
    told = options.pop("scores", None) or OBJECTIVES[settings.objective]()
    study = optuna.create_study(
        sampler=optuna_sampler(settings, seed=settings.seed + len(known)), directions=list(told.directions.values())
    )
    options = {"name": name, "unusable": lambda _axes: None, "stopped": lambda: False} | options
    return SampledTrials(settings, study=study, known=known, scores=told, **options)


def drive(search, limit=10**9):
    """Ask and tell one trial after another; returns the axes."""
    asked = []
    while len(asked) < limit and (axes := search.suggest(f"trial{len(asked)}")) != Searcher.FINISHED:
        asked.append(axes)
        gap, size_bytes = scores(axes)
        result = {"status": "done", "gap": gap, "size_bytes": size_bytes}
        search.on_trial_complete(f"trial{len(asked) - 1}", result)
    return asked


def test_listed_points_come_in_their_order():
    search = ListedTrials([{"hidden": 8}, {"hidden": 4}], stopped=lambda: False)
    assert search.suggest("a") == {"hidden": 8}
    assert search.suggest("b") == {"hidden": 4}
    assert search.suggest("c") == Searcher.FINISHED


def test_nothing_is_suggested_after_a_stop():
    assert ListedTrials([{"hidden": 8}], stopped=lambda: True).suggest("a") == Searcher.FINISHED
    assert searcher(sampler(), stopped=lambda: True).suggest("a") == Searcher.FINISHED


def test_what_is_proposed_from_outside_comes_before_what_the_study_would_propose():
    best = {"clusters": 4, "hidden": 40}
    taken = []

    def proposal(names):
        taken.append(set(names))
        return best if len(names) >= 3 else None

    asked = drive(searcher(sampler(trials=6), proposal=proposal))
    assert len({name(axes) for axes in asked}) == 6  # the proposal comes once; the study goes on when it comes again
    assert asked[3] == best or best in asked[:3]
    assert taken[:4] == [{name(axes) for axes in asked[:count]} for count in range(4)]


def test_an_ensembles_score_is_told_of_each_trial():
    gaps = iter([0.5, 0.6, 0.7])
    search = searcher(sampler(trials=3, objective="ensemble"), scores=EnsembleScore(lambda: next(gaps)))
    drive(search)
    assert [trial.values for trial in search._study.trials] == [[0.5], [0.6], [0.7]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_spends_its_budget_on_different_points(kind):
    asked = drive(searcher(sampler(kind)))
    assert len({name(axes) for axes in asked}) == 12
    for axes in asked:
        assert axes["clusters"] in (2, 4, 8)
        assert axes["hidden"] in range(8, 65, 8)


def test_the_same_seed_asks_for_the_same_points():
    assert drive(searcher(sampler(seed=3))) == drive(searcher(sampler(seed=3)))
    assert drive(searcher(sampler(seed=3))) != drive(searcher(sampler(seed=4)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_sampler_spends_the_rest_and_repeats_nothing(kind):
    first = drive(searcher(sampler(kind)), limit=5)
    known = [finished(axes) for axes in first]
    waiting = {"clusters": 8, "hidden": 64}
    rest = drive(searcher(sampler(kind), known=known, waiting=[waiting] if waiting not in first else []))
    assert len(rest) == 7
    assert not {name(axes) for axes in first} & {name(axes) for axes in rest}
    assert waiting in first or rest[0] == waiting


def test_what_is_known_guides_the_sampler():
    known = [
        finished(axes)
        for clusters in (2, 4, 8)
        for hidden in range(8, 65, 8)
        if (clusters + hidden // 8) % 2
        for axes in [{"clusters": clusters, "hidden": hidden}]
    ]
    search = searcher(sampler(trials=len(known) + 1), known=known)
    trials = search._study.trials
    told = [(trial.params, tuple(trial.values)) for trial in trials]
    assert told == [(each.axes, scores(each.axes)) for each in known]
    assert search._study.directions == [
        optuna.study.StudyDirection.MAXIMIZE,
        optuna.study.StudyDirection.MINIMIZE,
    ]


def test_a_space_that_is_used_up_ends_the_search():
    space = {"clusters": {"choices": [2, 4]}, "hidden": {"choices": [8, 16]}}
    assert len(drive(searcher(sampler(trials=50, space=space)))) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_no_point_of_a_small_space_is_left_out_by_chance(kind):
    space = {"clusters": {"choices": list(range(2, 12))}, "hidden": {"low": 8, "high": 24, "step": 8}}
    known = [FinishedTrial("K2-H8", {"clusters": 2, "hidden": 8}, 0.5, 16)]
    asked = drive(searcher(sampler(kind, trials=500, space=space), known=known))
    assert len({name(axes) for axes in asked}) == len(asked) == 29
    assert {"clusters": 2, "hidden": 8} not in asked


def test_points_that_cannot_be_are_not_suggested():
    asked = drive(searcher(sampler(trials=6), unusable=lambda axes: "too large" if axes["hidden"] > 24 else None))
    assert len(asked) == 6
    assert all(axes["hidden"] <= 24 for axes in asked)


def test_a_failed_trial_counts_and_is_not_asked_for_again():
    space = {"clusters": {"choices": [2, 4]}, "hidden": {"choices": [8, 16]}}
    search = searcher(sampler(trials=4, space=space))
    asked = []
    for number in range(4):
        asked.append(search.suggest(f"t{number}"))
        search.on_trial_complete(f"t{number}", {"status": "failed", "reason": "…"})
    assert len({name(axes) for axes in asked}) == 4
    assert search.suggest("last") == Searcher.FINISHED
    assert {trial.state for trial in search._study.trials} == {optuna.trial.TrialState.FAIL}


def test_running_points_are_not_suggested_to_another_worker():
    space = {"clusters": {"choices": [2, 4]}, "hidden": {"choices": [8]}}
    search = searcher(sampler(trials=9, space=space))
    assert {name(search.suggest("a")), name(search.suggest("b"))} == {"K2-H8", "K4-H8"}
    assert search.suggest("c") == Searcher.FINISHED


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"choices": ["a", "b"]}, optuna.distributions.CategoricalDistribution(["a", "b"])),
        ({"low": 1, "high": 9, "step": 2}, optuna.distributions.IntDistribution(1, 9, step=2)),
        ({"low": 1, "high": 512, "log": True}, optuna.distributions.IntDistribution(1, 512, log=True)),
        ({"low": 0.1, "high": 0.5}, optuna.distributions.FloatDistribution(0.1, 0.5)),
        ({"low": 1e-5, "high": 1.0, "log": True}, optuna.distributions.FloatDistribution(1e-5, 1.0, log=True)),
    ],
)
def test_spaces_become_distributions(space, expected):
    assert distribution(Distribution.model_validate(space)) == expected


def test_what_the_sampler_is_told_may_be_another_score():
    class Gap:
        directions = {"gap": "maximize"}  # noqa: RUF012

        def __call__(self, trial):
            return (trial.gap,)

    search = searcher(sampler(trials=4), known=[finished({"clusters": 2, "hidden": 8})], scores=Gap())
    drive(search)
    assert [trial.values for trial in search._study.trials] == [
        [scores(trial.params)[0]] for trial in search._study.trials
    ]
