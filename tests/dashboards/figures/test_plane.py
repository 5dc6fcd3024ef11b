from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.figures.catalogue import build_figures
from gapsack.dashboards.figures.plane import plane_info
from gapsack.dashboards.figures.plane_drawing import plane_figure
from gapsack.dashboards.figures.plane_labels import WIDTHS
from gapsack.dashboards.records import SweepRecords, TrialRecord
from gapsack.selection.report.ensemble import Ensemble

MIB = 2**20


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def test_models_are_on_the_frontier_or_inferior(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    assert [(point.name, point.size_bytes, point.gap) for point in info.frontier] == [
        ("K8-H64", 3 * MIB, 0.86),
        ("K8-H128", 4 * MIB, 0.865),
        ("K16-H128", 6 * MIB, 0.87),
    ]
    assert [(point.name, point.dominated_by) for point in info.inferior] == [("K16-H64", "K8-H128")]
    assert info.budget_bytes == 10 * MIB


def test_members_and_ensemble_are_placed(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    assert [(point.name, point.weight, point.colour) for point in info.members] == [
        ("K16-H128", 0.6, 0),
        ("K8-H64", 0.4, 1),
    ]
    assert info.ensemble is not None
    assert (info.ensemble.size_bytes, info.ensemble.gap) == (9 * MIB + MIB // 2, 0.88)  # the reserve included
    assert info.ensemble.single is not None
    assert info.ensemble.single.name == "K16-H128"


def test_a_member_stands_at_the_size_of_its_own_precision(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["members"][0] |= {"precision": "int8", "size_bytes": 2 * MIB}
    info = plane_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info is not None
    member = next(point for point in info.members if point.name == "K8-H64")
    assert (member.precision, member.size_bytes, member.gap) == ("int8", 2 * MIB, 0.86)


def test_the_best_single_model_fits_the_budget(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["budget_bytes"] = 5 * MIB
    info = plane_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info is not None
    assert info.ensemble is not None
    assert info.ensemble.single is not None
    assert info.ensemble.single.name == "K8-H128"


def test_nothing_to_place_is_none(records: SweepRecords) -> None:
    assert plane_info(SweepRecords("empty")) is None
    assert plane_info(replace(records, trials=records.trials[4:])) is None
    assert plane_info(replace(records, precision="int4")) is None


def test_hover_says_who_dominates(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    (hover,) = trace(plane_figure(info), "inferior").hovertext
    assert "K16-H64" in hover
    assert "inferior to K8-H128" in hover


def test_the_figure_shows_every_model_once_and_the_ensemble(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    figure = plane_figure(info)
    assert list(trace(figure, "Pareto frontier").x) == [3, 4, 6]
    assert list(trace(figure, "inferior").y) == [0.864]
    assert list(trace(figure, "in the ensemble").customdata) == ["K16-H128", "K8-H64"]
    assert list(trace(figure, "ensemble").x) == [9.5]
    assert any("budget 10 MiB" in note.text for note in figure.layout.annotations)


@pytest.mark.parametrize("keep", [slice(0, 1), slice(0, 3)])
def test_without_an_ensemble_or_a_budget(records: SweepRecords, keep: slice) -> None:
    bare = replace(
        records,
        trials=records.trials[keep],
        ensembles=(),
        frontier=(),
        frontier_singles=(),
        budget_bytes=None,
        inferior={},
    )
    info = plane_info(bare)
    assert info is not None
    assert (info.ensemble, info.members, info.budget_bytes) == (None, (), None)
    figure = plane_figure(info)
    assert [each.name for each in figure.data] == ["best single model", "Pareto frontier"]
    assert not figure.layout.shapes


def test_names_are_escaped(trial: Callable[..., TrialRecord]) -> None:
    info = plane_info(SweepRecords("s", trials=(trial(8, 64, 3, 0.86, name="<a href='x'>K</a>"),)))
    assert info is not None
    figure = plane_figure(info)
    assert "&lt;a href='x'&gt;K&lt;/a&gt;" in [note.text for note in figure.layout.annotations]
    assert "<a" not in trace(figure, "Pareto frontier").hovertext[0]


def test_both_frontiers_are_drawn_where_they_are_scored_on_the_same_items(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    figure = plane_figure(info)
    assert list(trace(figure, "best ensemble").y) == [0.865, 0.8802, 0.8802]
    assert list(trace(figure, "best single model").x)[:-1] == [3, 4, 6]
    assert figure.layout.yaxis.title.text == "GAP@20 on all 17,500 held-out videos"


@pytest.mark.parametrize("change", [{"frontier_metric": "accuracy"}, {"metric": "accuracy"}])
def test_scores_in_another_metric_are_not_drawn_beside_the_models(
    records: SweepRecords, change: dict[str, str]
) -> None:
    info = plane_info(replace(records, **change))
    assert info is not None
    assert info.ensembles == ()
    assert info.singles == ((3 * MIB, 0.86), (4 * MIB, 0.865), (6 * MIB, 0.87))  # the models' own


def test_scores_of_other_items_are_not_drawn_beside_the_models(records: SweepRecords) -> None:
    held_out = tuple(replace(point, everywhere=None) for point in records.frontier)
    info = plane_info(replace(records, frontier=held_out, frontier_singles=held_out))
    assert info is not None
    assert (info.ensembles, info.singles[0]) == ((), (3 * MIB, 0.86))
    assert "frontier" in build_figures(replace(records, frontier=held_out))
    assert "frontier" not in build_figures(records)


def test_weak_models_are_counted_and_leave_the_height_to_the_others(
    records: SweepRecords, trial: Callable[..., TrialRecord]
) -> None:
    weak = tuple(trial(128, hidden, 8, 0.3 + hidden / 10000) for hidden in (1, 2, 3))
    inferior = {**records.inferior, **{each.name: "K16-H128" for each in weak}}
    info = plane_info(replace(records, trials=(*records.trials, *weak), inferior=inferior))
    assert info is not None
    assert (info.scores, info.below) == ((0.86, 0.8802), 3)
    figure = plane_figure(info)
    assert figure.layout.yaxis.range[0] > 0.85
    assert list(trace(figure, "inferior").y) == [0.864]
    assert any("3 models below 0.8600" in note.text for note in figure.layout.annotations)


def test_members_are_shown_however_weak(records: SweepRecords, trial: Callable[..., TrialRecord]) -> None:
    weak_member = replace(records.trials[0], gap=0.3)
    others = tuple(trial(128, hidden, 8, 0.86) for hidden in (1, 2, 3))
    info = plane_info(replace(records, trials=(weak_member, *records.trials[1:], *others)))
    assert info is not None
    assert info.scores[0] == 0.3


def test_labels_are_placed_for_every_width_that_a_page_takes(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    placed = plane_figure(info).layout.meta["labels"]
    assert [each["width"] for each in placed] == list(WIDTHS)
    texts = [{note["text"] for note in each["annotations"]} for each in placed]
    assert all({"<b>Ensemble 0.8800</b>", "budget 10 MiB"} <= each for each in texts)


def test_on_a_phone_a_long_name_is_shortened_and_what_finds_no_room_is_counted(
    records: SweepRecords, ensemble: dict[str, Any]
) -> None:
    long = "gated_netvlad-K16-H128-lr0.0003-s2"
    trials = tuple(replace(each, name=long) if each.name == "K16-H128" else each for each in records.trials)
    members = [each | {"name": long} if each["name"] == "K16-H128" else each for each in ensemble["members"]]
    content = Ensemble.from_dict({**ensemble, "members": members})
    info = plane_info(replace(records, trials=trials, ensembles=(content,)))
    assert info is not None
    placed = {each["width"]: each["annotations"] for each in plane_figure(info).layout.meta["labels"]}
    assert any(long in note["text"] for note in placed[WIDTHS[-1]])
    assert any("…" in note["text"] and "0.8700" in note["text"] for note in placed[358])
    assert not any("left out" in note["text"] for width in WIDTHS for note in placed[width])
    crowded = replace(info, members=info.members * 60)
    narrow = plane_figure(crowded).layout.meta["labels"][0]["annotations"]
    (told,) = [note["text"] for note in narrow if "left out" in note["text"]]
    names = [note for note in narrow if note["font"]["size"] == 12 and note["text"].startswith("<b>")]
    assert told == f"{120 - len(names)} labels left out: see the table"
