from dataclasses import replace

from gapsack.dashboards.figures.frontier import frontier_figure, frontier_info
from gapsack.dashboards.records import SweepRecords

MIB = 2**20


def test_ensembles_come_by_size_above_single_models_scored_on_the_same_videos(records: SweepRecords) -> None:
    shuffled = replace(records, frontier=tuple(reversed(records.frontier)))
    info = frontier_info(shuffled)
    assert info is not None
    assert [(point.total_bytes, point.gap) for point in info.ensembles] == [(4 * MIB, 0.865), (9 * MIB, 0.88)]
    assert info.singles == ((3 * MIB, 0.86), (4 * MIB, 0.865), (6 * MIB, 0.87))
    assert info.budget_bytes == 10 * MIB


def test_hover_names_the_members(records: SweepRecords) -> None:
    info = frontier_info(records)
    assert info is not None
    marks = frontier_figure(info).data[-1]
    assert list(marks.x) == [4, 9]
    assert marks.hovertext[1] == "<b>GAP 0.8800</b><br>9.00 MiB<br>K8-H64<br>K16-H128"


def test_a_frontier_needs_no_trials(records: SweepRecords) -> None:
    info = frontier_info(SweepRecords("s", frontier=records.frontier))
    assert info is not None
    assert (info.singles, info.budget_bytes) == ((), None)
    assert len(frontier_figure(info).data) == 2


def test_not_searched_is_none(records: SweepRecords) -> None:
    assert frontier_info(replace(records, frontier=())) is None
