"""The tables of a report: the ensemble, the trials, who was dropped by whom, what went wrong, and the facts behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gapsack.dashboards.ensemble import EnsembleInfo, ensemble_info, metric_text, on_all_videos, short_metric
from gapsack.dashboards.hyperparameters import value_text, varied
from gapsack.dashboards.page.columns import (
    difference_cells,
    gain_cells,
    per_mib_cells,
    score_cell,
    size_cells,
    weight_cell,
)
from gapsack.dashboards.page.markup import Markup, join, tag
from gapsack.dashboards.page.search_facts import search_facts
from gapsack.dashboards.page.tables import MOST_ROWS, Cell, Row, TableColumn, number, table, without_empty, words
from gapsack.dashboards.records import DataFault, SweepRecords, TrialRecord, best_first
from gapsack.dashboards.units import share_text, short_count_text, step_text
from gapsack.selection.decimals import WEIGHT_DECIMALS, mib_decimals, mib_number
from gapsack.selection.units import mib

FEW = 5
"""Names of a list that a cell shows."""
PRECISION_ORDER = ("float32", "bfloat16", "float16")


def ensemble_table(records: SweepRecords, ensemble: EnsembleInfo) -> Markup:
    """The members: shares of the vote and of the budget, what leaving each out would lose; and what they add up to."""
    gaps = {trial.name: trial.gap for trial in records.trials}
    digits = mib_decimals([member.size_bytes for member in ensemble.members])
    budget = max(ensemble.budget_bytes, 1)

    def size(size_bytes: int) -> tuple[Cell, Cell]:
        share = size_bytes / budget
        return number(mib(size_bytes), mib_number(size_bytes, digits)), Cell(share_text(share), size_bytes, share)

    losses, errors, on = _losses(records)
    lost = difference_cells([losses.get(member.name) for member in ensemble.members], errors)

    columns = (
        TableColumn("Member"),
        TableColumn("Precision"),
        TableColumn("Weight", numeric=True, hint="share of the vote"),
        TableColumn("MiB", numeric=True),
        TableColumn("of budget", numeric=True),
        TableColumn("lost without it", numeric=True, hint=f"score that the others, weighted again, are behind, {on}"),
        TableColumn(f"{_short(records)}, {records.data.population}", numeric=True),
    )
    rows = [
        (
            Cell(join([swatch(index), member.name]), member.name.casefold()),
            words(member.precision),
            replace(weight_cell(member.weight), share=member.weight),
            *size(member.size_bytes),
            lost[index],
            score_cell(gaps.get(member.name)),
        )
        for index, member in enumerate(ensemble.members)
    ]
    blank, score = Cell(""), on_all_videos(records, ensemble)
    footer = [
        (
            Cell("Ensemble"),
            blank,
            number(1.0, f"{1:.{WEIGHT_DECIMALS}f}"),
            *size(ensemble.total_bytes),
            blank,
            score_cell(score),
        )
    ]
    if ensemble.reserve_bytes:
        footer.insert(0, (Cell("The graph itself"), blank, blank, *size(ensemble.reserve_bytes), blank, blank))
    names = [member.name for member in ensemble.members]
    shown, kept = without_empty(columns, [*rows, *footer])
    body, foot = kept[: len(rows)], kept[len(rows) :]
    return table(f"Members, blended by {ensemble.blend}", shown, body, footer=foot, row_names=names)


def _losses(records: SweepRecords) -> tuple[dict[str, float | None], list[float], str]:
    """What the ensemble loses without each member, the errors of that, and on what it was measured.

    Empty where it was not explained; there are no errors on what chose the ensemble.
    """
    told = records.ensembles[-1].explanation if records.ensembles else None
    if told is None:
        return {}, [], ""
    new = {value.name: value.held_out_loss for value in told.members if value.held_out_loss is not None}
    if len(new) == len(told.members):
        losses: dict[str, float | None] = {name: loss.difference for name, loss in new.items()}
        return losses, [loss.standard_error for loss in new.values()], f"on new {records.data.items}"
    chosen = {value.name: value.tuning_loss for value in told.members}
    return chosen, [], f"on the {records.data.items} that chose"


def earlier_table(records: SweepRecords) -> Markup | None:
    """The ensembles before the newest, newest first; None where there are none."""
    earlier = [ensemble_info(content, records.data.items) for content in reversed(records.ensembles[:-1])]
    if not earlier:
        return None
    columns = (
        TableColumn("Members"),
        TableColumn("budget MiB", numeric=True),
        TableColumn("MiB", numeric=True),
        TableColumn("GAP", numeric=True),
        TableColumn(
            f"new {records.data.items}", numeric=True, hint="by what was not chosen on them: held out, or cross-fitted"
        ),
    )
    sizes = zip(
        size_cells([one.budget_bytes for one in earlier]), size_cells([one.total_bytes for one in earlier]), strict=True
    )
    rows = [
        (
            words(" + ".join(member.name for member in one.members)),
            *size,
            score_cell(one.gap),
            score_cell(one.score.held_out),
        )
        for one, size in zip(earlier, sizes, strict=True)
    ]
    return table("Earlier ensembles", columns, rows, sortable=True)


def trials_table(records: SweepRecords, ensemble: EnsembleInfo | None) -> Markup:
    """Every trial of the sweep, sortable; of very many the best come first."""
    if len(records.trials) > MOST_ROWS:
        records = replace(records, trials=tuple(sorted(records.trials, key=best_first)))
    names = varied(records.trials)
    precisions = _precisions(records)
    sizes = [size_cells([trial.size_bytes.get(precision) for trial in records.trials]) for precision in precisions]
    adds = gain_cells([trial.ensemble_gain for trial in records.trials])
    adds_by_mib = per_mib_cells([trial.ensemble_gain_per_mib for trial in records.trials])
    averaging = difference_cells([_by_averaging(trial) for trial in records.trials])
    columns = [
        TableColumn(records.noun.capitalize()),
        *(TableColumn(name, numeric=True) for name in names),
        TableColumn("parameters", numeric=True),
        *(TableColumn(f"{precision} MiB", numeric=True) for precision in precisions),
        TableColumn("FLOPs", numeric=True, hint="of one forward pass, two for each multiply-add"),
        TableColumn(
            "latency, ms", numeric=True, hint="median time of one answer, on the machine where it was measured"
        ),
        TableColumn(_short(records), numeric=True, hint=f"of the weights that were kept, on {records.data.population}"),
        TableColumn(
            "adds GAP", numeric=True, hint="to the best ensemble under the budget of the models that were done by then"
        ),
        TableColumn("a MiB", numeric=True, hint="what it adds, by MiB of the budget that it takes"),
        TableColumn("by averaging", numeric=True, hint="average of checkpoints against the best single one"),
        TableColumn("averaged steps", numeric=True),
        TableColumn(f"{records.data.items}/s", numeric=True, hint="training speed"),
        TableColumn("state"),
    ]
    rows: list[Row] = []
    for row, trial in enumerate(records.trials):
        member = None if ensemble is None else ensemble.member(trial.name)
        rows.append(
            [
                Cell(trial.name if member is None else join([swatch(member), trial.name]), trial.name.casefold()),
                *(_setting(trial, name) for name in names),
                _count(trial.parameters),
                *(column[row] for column in sizes),
                _count(trial.flops),
                number(trial.latency_ms, f"{trial.latency_ms or 0:.2f}"),
                score_cell(trial.gap),
                adds[row],
                adds_by_mib[row],
                averaging[row],
                _steps(trial),
                number(trial.videos_per_second, f"{trial.videos_per_second or 0:,.0f}"),
                words(state_text(records, trial, ensemble)),
            ]
        )
    shown, cells = without_empty(columns, rows)
    return table(
        f"All {records.noun}s", shown, cells, sortable=True, row_names=[trial.name for trial in records.trials]
    )


def _count(count: float | None) -> Cell:
    """A large number, in short."""
    return number(count, None if count is None else short_count_text(count))


def inferior_table(records: SweepRecords) -> Markup | None:
    """Dropped models beside those that beat them; None where nothing was dropped."""
    trials = {trial.name: trial for trial in records.trials}
    if not records.inferior:
        return None
    columns = (
        TableColumn("Dropped"),
        TableColumn("MiB", numeric=True),
        TableColumn(_short(records), numeric=True),
        TableColumn("dominated by"),
        TableColumn("MiB", numeric=True),
        TableColumn(_short(records), numeric=True),
    )
    pairs = [[trials.get(name, TrialRecord(name, "done")) for name in pair] for pair in records.inferior.items()]
    sizes = size_cells([trial.size_bytes.get(records.precision) for pair in pairs for trial in pair])
    rows = [
        [
            cell
            for trial, size in zip(pair, both, strict=True)
            for cell in (words(trial.name), size, score_cell(trial.gap))
        ]
        for pair, both in zip(pairs, zip(sizes[::2], sizes[1::2], strict=True), strict=True)
    ]
    names = list(records.inferior)
    return table(f"Inferior models, by {records.precision} size", columns, rows, sortable=True, row_names=names)


def trouble_table(records: SweepRecords) -> Markup | None:
    """Trials that failed, were skipped, were stopped early or have damaged files, and why; None without such."""
    trouble = [trial for trial in records.trials if trial.status in ("failed", "skipped") or trial.reason]
    if not trouble:
        return None
    usual = all(trial.status in ("failed", "skipped") for trial in trouble)
    early = any(trial.status == "stopped early" for trial in trouble)
    rows = [(words(trial.name), words(trial.status), words(trial.reason or "no reason recorded")) for trial in trouble]
    return table(
        "Failed and skipped trials"
        if usual
        else f"Trials that failed, were skipped{', were stopped early' if early else ''} or have damaged files",
        (TableColumn("Trial"), TableColumn("state"), TableColumn("reason", long=True)),
        rows,
        sortable=True,
    )


def data_faults_table(records: SweepRecords) -> Markup | None:
    """What of the data could not be used, by the trials that met it; None where all was whole."""
    if not records.data_faults:
        return None
    columns = (
        TableColumn("Data"),
        TableColumn("trials", long=True),
        TableColumn("faulty", numeric=True, hint="share of the records, lost rests of files by their size"),
        TableColumn("records lost", numeric=True, hint="about so many, with the rests of files that cannot be read"),
        TableColumn("what", long=True),
    )
    rows = [
        (
            words(fault.kind),
            words(_few(fault.trials)),
            number(fault.share, f"{fault.share:.2%}"),
            number(fault.lost_records),
            words(_fault_text(fault)),
        )
        for fault in records.data_faults
    ]
    return table("Faults in the data, which were left out", columns, rows)


def _fault_text(fault: DataFault) -> str:
    kinds = [f"{count:,} {kind}" for kind, count in fault.records.items()]
    files = [f"{name}: {why}" for name, why in fault.damaged_files.items()]
    parts = [", ".join(kinds), _few(files, "; "), *(f"First: {example}" for example in fault.examples[:1])]
    return ". ".join(part for part in parts if part)


def _few(texts: Sequence[str], between: str = ", ") -> str:
    """The first few, and how many more there are."""
    more = f"{between}and {len(texts) - FEW} more" if len(texts) > FEW else ""
    return between.join(texts[:FEW]) + more


def facts_list(records: SweepRecords) -> Markup | None:
    """What the scores rest on: data, search, versions."""
    data = records.data
    facts: list[tuple[str, object]] = [
        ("data", data.kind),
        ("classes", data.classes),
        ("training files", data.train_files),
        ("held-out files", data.held_out_files),
        (f"held-out {data.items}", data.held_out_videos),
        (f"{data.items} of the pool", data.pool_items),
    ]
    if records.ensembles:
        facts += search_facts(records.ensembles[-1], data.items)
    facts += list(records.environment.items())
    known = [(name, f"{value:,}" if isinstance(value, int) else value) for name, value in facts if value is not None]
    if not known:
        return None
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in known), class_="facts")


def state_text(records: SweepRecords, trial: TrialRecord, ensemble: EnsembleInfo | None) -> str:
    """What became of a trial, in a word."""
    if trial.status != "done":
        return trial.status
    if ensemble is not None and ensemble.member(trial.name) is not None:
        return "member"
    return "inferior" if trial.name in records.inferior else "frontier"


def swatch(index: int) -> Markup:
    """A member's colour; the name beside it says the same to those who cannot see it."""
    return tag("span", class_=f"swatch member{min(index, 5)}", aria_hidden="true")


def _precisions(records: SweepRecords) -> list[str]:
    known = {precision for trial in records.trials for precision in trial.size_bytes}
    return [name for name in PRECISION_ORDER if name in known] + sorted(known.difference(PRECISION_ORDER))


def _short(records: SweepRecords) -> str:
    """What the trials' scores are of, as a column's title."""
    return short_metric(metric_text(records.metric))


def _setting(trial: TrialRecord, name: str) -> Cell:
    value = trial.hyperparameters.get(name)
    if value is None:
        return number(None)
    return Cell(value_text(value), value if isinstance(value, (int, float)) else str(value).casefold())


def _by_averaging(trial: TrialRecord) -> float | None:
    """What the average of checkpoints scores more than the best single one."""
    if trial.gap_averaged is None or trial.gap_single is None:
        return None
    return trial.gap_averaged - trial.gap_single


def _steps(trial: TrialRecord) -> Cell:
    if trial.averaging_range is None:
        return number(None)
    first, last = trial.averaging_range
    return number(first, f"{step_text(first)}–{step_text(last)}")
