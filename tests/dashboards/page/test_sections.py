from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from gapsack.dashboards.ensemble import ensemble_info
from gapsack.dashboards.page.markup import Markup
from gapsack.dashboards.page.sections import (
    data_faults_table,
    earlier_table,
    ensemble_table,
    facts_list,
    inferior_table,
    trials_table,
    trouble_table,
)
from gapsack.dashboards.records import DataFault, SweepRecords
from gapsack.selection.report.ensemble import Ensemble


def rows(table: Markup | None) -> list[list[str]]:
    """What each row of a table shows, titles first, without tags."""
    assert table is not None
    found = re.findall(r"<tr.*?</tr>", table)
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


def test_the_ensemble_adds_up(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    assert rows(ensemble_table(records, ensemble_info(Ensemble.from_dict(ensemble)))) == [
        ["Member", "Precision", "Weight", "MiB", "of budget", "GAP, all 17,500 held-out videos"],
        ["K16-H128", "float16", "0.6000", "6.00", "60.0%", "0.8700"],
        ["K8-H64", "float16", "0.4000", "3.00", "30.0%", "0.8600"],
        ["The graph itself", "", "", "0.50", "5.0%", ""],
        ["Ensemble", "", "1.0000", "9.50", "95.0%", "0.8800"],
    ]


def test_shares_are_drawn_in_their_cells(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    shown = ensemble_table(records, ensemble_info(Ensemble.from_dict(ensemble)))
    assert re.findall(r"--share:([\d.]+%)", shown) == ["60.0%", "60.0%", "40.0%", "30.0%", "5.0%", "95.0%"]


def test_every_trial_has_a_row(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    titles, first, *others = rows(trials_table(records, ensemble_info(Ensemble.from_dict(ensemble))))
    hyperparameters, sizes = ["clusters", "hidden"], ["parameters", "float32 MiB", "float16 MiB"]
    assert titles == ["Trial", *hyperparameters, *sizes, "GAP", "by averaging", "averaged steps", "state"]
    assert first == ["K8-H64", "8", "64", "1.6 M", "6.00", "3.00", "0.8600", "+0.0030", "1k–2k", "member"]
    assert [row[-1] for row in others] == ["frontier", "inferior", "member", "failed", "skipped", "running"]
    assert others[-1][6] == "–"


def test_dropped_models_stand_beside_who_beats_them(records: SweepRecords) -> None:
    assert rows(inferior_table(records))[1:] == [["K16-H64", "5.00", "0.8640", "K8-H128", "4.00", "0.8650"]]
    assert inferior_table(replace(records, inferior={})) is None


def test_trouble_has_its_reason(records: SweepRecords) -> None:
    assert rows(trouble_table(records))[1:] == [
        ["K32-H64", "failed", "The loss was not finite."],
        ["K32-H128", "skipped", "12.0 MiB is more than the budget of 10 MiB."],
    ]
    assert trouble_table(replace(records, trials=records.trials[:4])) is None


def test_earlier_ensembles_are_listed_newest_first(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    history = tuple(Ensemble.from_dict({**ensemble, "gap": gap}) for gap in (0.86, 0.87, 0.88))
    assert [row[3] for row in rows(earlier_table(replace(records, ensembles=history)))[1:]] == ["0.8700", "0.8600"]
    assert earlier_table(records) is None


def test_facts_leave_out_what_is_not_known(records: SweepRecords) -> None:
    facts = facts_list(records)
    assert facts is not None
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", facts) == [
        ("data", "frame level"),
        ("classes", "3,862"),
        ("training files", "100"),
        ("held-out files", "10"),
        ("held-out videos", "17,500"),
        ("search", "Complete: all subsets were tried."),
        ("against the runner-up", "+0.0002, −0.0010 to +0.0014: within noise"),
        ("held-out score of other splits", "0.8785, 0.8801"),
        ("blends scored", "1,234"),
        ("dropped early, could still win", "0"),
        ("tensorflow", "2.21.0"),
    ]
    assert facts_list(SweepRecords("empty")) is None


def test_faults_of_the_data_say_what_and_how_much(records: SweepRecords) -> None:
    fault = DataFault(
        "training",
        tuple(f"K{number}" for number in range(8)),
        {"length CRC": 2, "label": 1},
        share=0.0123,
        lost_records=140,
        damaged_files={"a.tfrecord": "the length is damaged"},
        examples=("a.tfrecord, record 3: the length is damaged (length CRC)", "another"),
    )
    assert rows(data_faults_table(replace(records, data_faults=(fault,)))) == [
        ["Data", "trials", "faulty", "records lost", "what"],
        [
            "training",
            "K0, K1, K2, K3, K4, and 3 more",
            "1.23%",
            "140",
            "2 length CRC, 1 label. a.tfrecord: the length is damaged. First: a.tfrecord, record 3: the length is "
            "damaged (length CRC)",
        ],
    ]
    assert data_faults_table(records) is None
