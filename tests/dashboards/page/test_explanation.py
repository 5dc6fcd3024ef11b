from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.ensemble import ensemble_info
from gapsack.dashboards.page.explanation import explanation_parts
from gapsack.dashboards.page.markup import Markup
from gapsack.dashboards.page.page import page
from gapsack.dashboards.page.sections import ensemble_table
from gapsack.dashboards.records import SweepRecords
from gapsack.selection.report.changes import Changes, Placed, Stayed
from gapsack.selection.report.difference import Difference
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.report.explanation import (
    AtBudget,
    CandidateValue,
    Explanation,
    MemberValue,
    PrecisionValue,
    Price,
)

MIB = 2**20
TOLD = Explanation(
    members=(
        MemberValue("K16-H128", "float16", 6 * MIB, 0.01234, Difference(0.0111, 0.0021), {"K8-H64": 1.0}),
        MemberValue("K8-H64", "float16", 3 * MIB, 0.00002, Difference(-0.0001, 0.0004), {"K16-H128": 1.0}),
    ),
    candidates=(
        CandidateValue("K8-H128", "int8", ("K8-H64",), 8 * MIB, -0.0021, Difference(-0.001, 0.002), {"K8-H128": 1.0}),
        CandidateValue("<b>", "", (), None, None, None, {}),
    ),
    precisions=(PrecisionValue("K8-H64", "float16", "float32", 3 * MIB, 0.0, Difference(0.0, 0.0), False, True),),
    price=Price(
        here=AtBudget(10 * MIB, 9 * MIB, ("K16-H128 float16",), 0.88, "this search"),
        less=None,
        more=AtBudget(11 * MIB, 11 * MIB, ("K32-H128 float16",), 0.882, "a short search for this budget"),
        lost_per_mib=None,
        gained_per_mib=0.002,
    ),
    tuning_score=0.88,
    held_out="on 8,750 videos that were held out",
    notes=("3 further candidates were not looked at.",),
)
CHANGED = Changes(
    joined=(Placed("K8-H64", "float16", 0.4, 3 * MIB),),
    left=(Placed("K4-H8", "int8", 0.3, MIB),),
    stayed=(Stayed("K16-H128", "int8", "float16", 0.7, 0.6),),
    total_bytes_before=7 * MIB,
    tuning_score_before=0.87,
    tuning_gain=0.01,
    held_out_gain=Difference(0.008, 0.003),
    notes=("x of the earlier ensemble is not in the pool.",),
)


@pytest.fixture
def explained(ensemble: dict[str, Any]) -> Ensemble:
    return replace(Ensemble.from_dict(ensemble), explanation=TOLD, changes=CHANGED)


def rows(part: Markup | None) -> list[list[str]]:
    found = re.findall(r"<tr.*?</tr>", part or "")
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


def test_every_part_is_a_table_with_its_figures(explained: Ensemble) -> None:
    members, others, precisions, price, held_out, note, changes, *told = explanation_parts(explained)
    assert rows(members)[1:] == [
        ["K16-H128", "float16", "6.00", "+0.01234", "+0.0111 ± 0.0021"],
        ["K8-H64", "float16", "3.00", "+0.00002", "−0.0001 ± 0.0004"],
    ]
    assert rows(others)[1:] == [
        ["K8-H128", "int8", "K8-H64", "8.00", "−0.0021", "−0.0010 ± 0.0020"],
        ["&lt;b&gt;", "does not fit", "", "–", "–", "–"],
    ]
    assert rows(precisions)[1][:5] == ["K8-H64", "float16", "float32", "+3.00", "predicts the same"]
    assert rows(precisions)[1][-1] == "does not fit"
    assert [row[0] for row in rows(price)[1:]] == ["10.0 MiB", "11.0 MiB"]
    assert rows(price)[2][3] == "0.0020"
    assert "on 8,750 videos that were held out" in (held_out or "")
    assert "3 further candidates" in (note or "")
    assert rows(changes)[1:] == [
        ["K8-H64", "in", "", "float16", "–", "0.4000"],
        ["K4-H8", "out", "int8", "", "0.3000", "–"],
        ["K16-H128", "stays", "int8", "float16", "0.7000", "0.6000"],
    ]
    assert "+0.0100 against the earlier ensemble on the tuning videos, +0.0080 ± 0.0030 on new ones." in (told[0] or "")
    assert "x of the earlier ensemble" in (told[1] or "")


def test_a_report_has_the_section_only_where_there_is_something_to_say(
    records: SweepRecords, ensemble: dict[str, Any], explained: Ensemble
) -> None:
    assert explanation_parts(None) == []
    assert explanation_parts(Ensemble.from_dict(ensemble)) == []
    title = "<h2>Why this ensemble</h2>"
    assert title in page(replace(records, ensembles=(explained,)))
    assert title not in page(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))


def test_a_file_keeps_all_of_it(explained: Ensemble) -> None:
    assert Ensemble.from_dict(explained.to_dict()) == explained


def test_what_each_member_brings_stands_beside_it(records: SweepRecords, explained: Ensemble) -> None:
    told = ensemble_table(replace(records, ensembles=(explained,)), ensemble_info(explained))
    assert "on new videos" in told
    assert re.findall(r">([+−][\d.]+)</td>", told) == ["+0.0111", "−0.0001"]


def test_without_new_videos_the_loss_is_of_those_that_chose(records: SweepRecords, explained: Ensemble) -> None:
    members = tuple(replace(member, held_out_loss=None) for member in TOLD.members)
    chosen = replace(explained, explanation=replace(TOLD, members=members))
    told = ensemble_table(replace(records, ensembles=(chosen,)), ensemble_info(chosen))
    assert "on the videos that chose" in told
    assert re.findall(r">([+−][\d.]+)</td>", told) == ["+0.01234", "+0.00002"]
