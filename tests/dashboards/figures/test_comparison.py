import re
from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.figures.comparison import comparison_figure, comparison_info
from gapsack.dashboards.figures.labels import Label
from gapsack.dashboards.figures.theme import FONT_SIZE
from gapsack.dashboards.records import SweepRecords
from gapsack.selection.report.ensemble import Ensemble


def changed(records: SweepRecords, ensemble: dict[str, Any], **changes: Any) -> SweepRecords:
    return replace(records, ensembles=(Ensemble.from_dict({**ensemble, **changes}),))


def test_differences_are_the_paired_ones_with_their_intervals(records: SweepRecords) -> None:
    info = comparison_info(records)
    assert info is not None
    assert [(each.rival, each.difference, each.interval, each.within_noise) for each in info.differences] == [
        ("the best single model", 0.0095, (0.008, 0.011), False),
        ("the runner-up", 0.0002, (-0.001, 0.0014), True),
    ]
    single, runner_up = comparison_figure(info).data
    assert (single.x, single.y) == ((0.0095,), (0,))
    assert single.error_x.array == pytest.approx((0.0015,))
    assert single.error_x.arrayminus == pytest.approx((0.0015,))
    assert single.marker.color != runner_up.marker.color


def test_the_verdict_says_in_words_what_is_sure_and_what_is_not(
    records: SweepRecords, ensemble: dict[str, Any]
) -> None:
    info = comparison_info(records)
    assert info is not None
    assert info.verdict == (
        "Better than the best single model: +0.0095 (95%: +0.0080 to +0.0110). "
        "Not shown to differ from the runner-up: +0.0002 (95%: −0.0010 to +0.0014) is within noise."
    )
    worse = {"difference": -0.002, "interval": [-0.003, -0.001]}
    info = comparison_info(
        changed(records, ensemble, difference_to_best_single=worse, difference_to_runner_up={"difference": 0.1})
    )
    assert info is not None
    assert info.verdict == (
        "Worse than the best single model: −0.0020 (95%: −0.0030 to −0.0010). "
        "Against the runner-up: +0.1000, without an interval."
    )


def test_a_rival_that_hardly_differs_lends_the_others_no_decimals(
    records: SweepRecords, ensemble: dict[str, Any]
) -> None:
    close = {"difference": -0.000009, "interval": [-0.00006, 0.00004]}
    info = comparison_info(changed(records, ensemble, difference_to_runner_up=close))
    assert info is not None
    assert info.verdict == (
        "Better than the best single model: +0.0095 (95%: +0.0080 to +0.0110). "
        "Not shown to differ from the runner-up: 0.0000 (95%: −0.0001 to 0.0000) is within noise."
    )


def test_zero_has_no_sign_on_the_axis(records: SweepRecords) -> None:
    info = comparison_info(records)
    assert info is not None
    axis = comparison_figure(info).layout.xaxis
    assert axis.tickformat.startswith("+")
    assert axis.labelalias == {"+0": "0"}


@pytest.mark.parametrize("sign", [1, -1])
def test_zero_is_always_in_sight(records: SweepRecords, ensemble: dict[str, Any], sign: int) -> None:
    ends = sorted((sign * 0.02, sign * 0.03))
    info = comparison_info(
        changed(
            records,
            ensemble,
            difference_to_best_single={"difference": sign * 0.025, "interval": ends},
            difference_to_runner_up=None,
        )
    )
    assert info is not None
    figure = comparison_figure(info)
    low, high = figure.layout.xaxis.range
    assert low < min(0, *ends) < max(0, *ends) < high
    assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(0, 0)]


def test_a_runner_up_that_is_the_best_single_model_is_told_once(
    records: SweepRecords, ensemble: dict[str, Any]
) -> None:
    single, difference = ensemble["best_single"], ensemble["difference_to_best_single"]
    info = comparison_info(changed(records, ensemble, runner_up=single, difference_to_runner_up=difference))
    assert info is not None
    assert [each.rival for each in info.differences] == ["the best single model and runner-up"]


def test_equal_weights_and_greedy_selection_are_rivals_too(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    equal = {"difference": 0.001, "interval": [0.0005, 0.0015]}
    rivals: dict[str, Any] = {
        "equal_weights": {"members": ensemble["members"]},
        "difference_to_equal_weights": equal,
        "greedy": ensemble["runner_up"],
    }
    info = comparison_info(
        changed(records, ensemble, **rivals, difference_to_greedy={"difference": 0.0, "interval": [-0.001, 0.001]})
    )
    assert info is not None
    assert [(each.rival, each.difference) for each in info.differences][2:] == [
        ("equal weights", 0.001),
        ("greedy selection", 0.0),
    ]
    assert [trace.y for trace in comparison_figure(info).data] == [(0,), (1,), (2,), (3,)]
    assert info.verdict == (
        "Better than the best single model (+0.0095) and equal weights (+0.0010). "
        "Not shown to differ from the runner-up (+0.0002) and greedy selection (0.0000): within noise."
    )
    same = changed(records, ensemble, **rivals, difference_to_greedy=ensemble["difference_to_runner_up"])
    info = comparison_info(same)
    assert info is not None
    told = [each.rival for each in info.differences]
    assert told == ["the best single model", "the runner-up and greedy selection", "equal weights"]


def test_rivals_that_are_one_are_told_in_lines_that_a_phone_has_room_for(
    records: SweepRecords, ensemble: dict[str, Any]
) -> None:
    single, difference = ensemble["best_single"], ensemble["difference_to_best_single"]
    alike: dict[str, Any] = {
        "runner_up": single,
        "difference_to_runner_up": difference,
        "equal_weights": single,
        "difference_to_equal_weights": difference,
        "greedy": single,
        "difference_to_greedy": {"difference": 0.001, "interval": [-0.001, 0.003]},
    }
    info = comparison_info(changed(records, ensemble, **alike))
    assert info is not None
    assert [each.rival for each in info.differences] == [
        "the best single model, runner-up and equal weights",
        "greedy selection",
    ]
    figure = comparison_figure(info)
    labels = [annotation.text for annotation in figure.layout.annotations]
    lines = [re.sub("<.?b>", "", line) for label in labels for line in label.split("<br>")]
    assert lines == [
        "+0.0095 against the best single model,",
        "runner-up and equal weights",
        "+0.0010 against greedy selection",
    ]
    widths = [Label(line, 0, 0, 0, size=FONT_SIZE).width for line in lines]
    assert max(widths) <= figure.layout.meta["narrowest"] - figure.layout.margin.l - figure.layout.margin.r
    # What a second line takes above a mark is added to the figure, not taken from the others' room.
    assert figure.layout.height > comparison_figure(replace(info, differences=info.differences[1:])).layout.height
    low, high = figure.layout.yaxis.range
    assert high < figure.layout.annotations[0].y < figure.data[0].y[0] < figure.layout.annotations[1].y < low


def test_an_ensemble_of_one_is_not_compared_with_itself(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    info = comparison_info(changed(records, ensemble, members=[ensemble["members"][1] | {"weight": 1.0}]))
    assert info is not None
    assert [each.rival for each in info.differences] == ["the runner-up"]


def test_without_a_paired_difference_there_is_nothing_to_draw(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    bare = changed(records, ensemble, difference_to_best_single=None, difference_to_runner_up=None)
    assert comparison_info(bare) is None
    assert comparison_info(SweepRecords("empty")) is None
