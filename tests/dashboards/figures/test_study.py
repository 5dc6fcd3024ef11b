from dataclasses import replace

from gapsack.dashboards.figures.seeds import seeds_figure
from gapsack.dashboards.figures.study import history_figure, importance_figure, slice_figure
from gapsack.dashboards.figures.theme import LIGHT


def test_the_history_has_every_trial_by_name_and_the_best_so_far(records):
    figure = history_figure(records.search)
    trials, best = figure.data
    assert list(trials.text) == ["K8-H64", "K8-H128", "K16-H64", "K16-H128"]
    assert list(best.y) == [0.86, 0.865, 0.865, 0.87]
    assert trials.marker.color == LIGHT.accent


def test_importances_are_bars_with_the_largest_on_top(records):
    bars = importance_figure(records.search).data[0]
    assert list(bars.y) == ["training.seed", "hidden"]
    assert list(bars.x) == [0.25, 0.75]
    assert importance_figure(replace(records.search, importances={})) is None


def test_every_axis_has_its_slice(records):
    figure = slice_figure(records.search)
    assert [figure.layout[axis].title.text for axis in ("xaxis", "xaxis2")] == ["hidden", "training.seed"]
    assert figure.layout.xaxis2.domain == (0.55, 1)
    assert [list(trace.y) for trace in figure.data] == [[0.86, 0.87]] * 2


def test_without_a_search_there_is_nothing_to_draw():
    assert history_figure(None) is importance_figure(None) is slice_figure(None) is None


def test_points_over_seeds_have_mean_and_deviation_the_best_on_top(records):
    seeds, means = seeds_figure(records.seeds).data
    assert list(means.x) == [0.861, 0.864]
    assert list(means.error_x.array) == [0.0014, 0.0]
    assert sorted(zip(seeds.y, seeds.x, strict=True)) == [(0, 0.86), (0, 0.862), (1, 0.864)]
    assert seeds_figure(()) is None
