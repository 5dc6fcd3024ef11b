"""What `select` prints: tables for people, and the same as plain values for `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapsack.selection.decimals import mib_decimals, mib_number, mib_numbers, score_text
from gapsack.selection.metrics.objectives import Gap, Objective, UserMetric, objective_of, score_of_lists
from gapsack.selection.metrics.registry import title_of
from gapsack.selection.pareto import inferior
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.units import mib
from gapsack.sweep.cli.app import Column, messages, output, print_table
from gapsack.sweep.data.faults import told

if TYPE_CHECKING:
    from gapsack.sweep.graphs.build_and_track import Built


_GAP = Gap()


def pool_values(pool: CandidatePool, folder: Path, metric: str | UserMetric = "gap@20") -> dict[str, Any]:
    """A pool in short, each candidate with its GAP@20 and its score by a metric."""
    objective = objective_of(metric, pool.labels)
    return {
        "pool": str(folder.absolute()),
        "videos": pool.labels.video_count,
        "labels": pool.labels.label_count,
        "classes": pool.labels.class_count,
        "metric": objective.name,
        "candidates": [
            {
                "name": c.name,
                "size_bytes": c.size_bytes,
                **_scores(c, pool, objective),
                "top_k": c.predictions.k,
            }
            | ({"shared": c.shared} if c.shared else {})
            for c in pool.candidates
        ],
    }


def print_pool(pool: CandidatePool, folder: Path, metric: str | UserMetric = "gap@20") -> None:
    """A pool's candidates, then a line that sums up."""
    values = pool_values(pool, folder, metric)
    precisions = list(dict.fromkeys(p for c in pool.candidates for p in c.size_bytes))
    columns = [
        Column("candidate"),
        Column(_title(values["metric"]), True),
        *[Column(f"{p} MiB", True) for p in precisions],
    ]
    listed = values["candidates"]
    sizes = [mib_numbers([c["size_bytes"].get(p) for c in listed]) for p in precisions]
    rows = [
        [c["name"], score_text(c["score"]), *[column[row] for column in sizes], None] for row, c in enumerate(listed)
    ]
    print_table([*columns, Column("")], rows)
    output().print(
        f"\n{folder}: {len(rows)} candidates, {values['videos']:,} items, {values['labels']:,} labels of "
        f"{values['classes']:,} classes."
    )
    for line in _groups(pool):
        output().print(line)


def _groups(pool: CandidatePool) -> list[str]:
    """A line for each group of tensors that candidates share."""
    found: dict[str, tuple[dict[str, int], list[str]]] = {}
    for candidate in pool.candidates:
        for group, sizes in candidate.shared.items():
            known, names = found.setdefault(group, ({}, []))
            known.update(sizes)
            names.append(candidate.name)
    return [
        f"Shared, once in an ensemble: {group} ({', '.join(f'{mib_number(s)} MiB at {p}' for p, s in sizes.items())}), "
        f"of {', '.join(names)}."
        for group, (sizes, names) in found.items()
    ]


def _scores(candidate: Candidate, pool: CandidatePool, objective: Objective) -> dict[str, float]:
    """The candidate's score on the pool's items, by its lists, and its GAP@20."""
    score = score_of_lists(candidate.predictions, pool.labels, objective)
    if objective.name == _GAP.name:
        return {"gap": score, "score": score}
    return {"gap": score_of_lists(candidate.predictions, pool.labels, _GAP), "score": score}


def _title(metric: str) -> str:
    """Of a column of scores."""
    return "GAP" if metric == _GAP.name else title_of(metric)


def pareto_values(
    pool: CandidatePool, precision: str | None, metric: str | UserMetric = "gap@20"
) -> list[dict[str, Any]]:
    """Every candidate from the smallest to the largest, and who dominates it (None for those on the frontier).

    Scores are computed from the predictions, whatever the candidates' own files say of theirs.
    """
    objective = objective_of(metric, pool.labels)
    scored = [replace(c, metrics={**c.metrics, **_scores(c, pool, objective)}) for c in pool.candidates]
    dropped = inferior(scored, precision=precision, score="score")
    values = [
        {
            "name": candidate.name,
            "size_bytes": candidate.size_bytes[precision] if precision else min(candidate.size_bytes.values()),
            "gap": candidate.metrics["gap"],
            "metric": objective.name,
            "score": candidate.metrics["score"],
            "inferior_to": dropped.get(candidate.name),
        }
        | ({"shared": candidate.shared} if candidate.shared else {})
        for candidate in scored
    ]
    return sorted(values, key=lambda value: (value["size_bytes"], -value["score"], value["name"]))


def print_pareto(values: list[dict[str, Any]]) -> None:
    """The frontier and the inferior models, by size."""
    title = _title(values[0]["metric"])
    columns = [Column("candidate"), Column("MiB", True), Column(title, True), Column("inferior to")]
    rows = [
        [
            v["name"],
            size,
            score_text(v["score"]),
            v["inferior_to"] or ("" if _any_inferior(values) else None),
        ]
        for v, size in zip(values, mib_numbers([v["size_bytes"] for v in values]), strict=True)
    ]
    print_table(columns, rows)
    dropped = sum(v["inferior_to"] is not None for v in values)
    output().print(
        f"\n{len(values) - dropped} on the frontier, {dropped} inferior (larger, with the same or a worse GAP)."
    )
    if any("shared" in v for v in values):
        output().print(
            "Sizes are of each model alone: beside others of its shared groups one takes less, so an inferior one may "
            "still be worth its bytes in an ensemble."
        )


def print_graph(built: Built) -> None:
    """The graph's files with their bytes, beside what the search counted and the budget."""
    out, info = output(), built.info
    files = {**info.files, f"{built.format}, on disk": info.size_bytes}
    # By the largest: most files of a graph are next to nothing beside its weights.
    digits = mib_decimals([info.size_bytes])
    rows = [[file, f"{size:,}", mib_number(size, digits)] for file, size in files.items()]
    print_table([Column("file"), Column("bytes", True), Column("MiB", True)], rows)
    out.print(f"\nGraph: {info.directory}")
    searched, budget = mib_numbers([built.searched_bytes, built.budget_bytes])
    out.print(f"{searched} MiB of weights, budget {budget} MiB.")
    if info.largest_difference is not None:
        out.print(f"Within {info.largest_difference:.1g} of the SavedModel's probabilities, on random items.")
    for tensor, count in info.saturated.items():
        out.print(f"{count:,} values clipped in {tensor}.")
    if built.tracked is not None:
        model = f", model {built.tracked.model_uri}" if built.tracked.model_uri else ""
        out.print(f"MLflow: run {built.tracked.run_id}{model}")


def print_evaluation(evaluation: Mapping[str, Any], facts: Mapping[str, Any], items: str) -> None:
    """A graph's metrics, and the records that were left out."""
    out = output()
    out.print(f"{'GAP@20':<24}{score_text(evaluation['gap'])}")
    out.print(f"{'mean average precision':<24}{score_text(evaluation['mean_average_precision'])}")
    out.print(f"{'hit@1':<24}{score_text(evaluation['hit_at_one'])}")
    known = {"videos", "labels", "gap", "mean_average_precision", "hit_at_one"}
    for name, score in evaluation.items():
        if name not in known:
            out.print(f"{title_of(name):<24}{score_text(score)}")
    out.print(f"\n{evaluation['videos']:,} {items} with {evaluation['labels']:,} labels in {facts['files']} files.")
    print_pace(facts, items)
    print_faults(facts)


def print_pace(facts: Mapping[str, Any], items: str) -> None:
    """On standard error: how fast the graph answered, and how it decodes its weights."""
    if facts["items_per_second"]:
        messages().print(f"{facts['items_per_second']:,.0f} {items} per second; {_decoding(facts['decoding'])}.")


def _decoding(decoding: Mapping[str, Any]) -> str:
    needed = decoding["added_bytes"]
    if needed is None:
        return "weights decoded as the graph runs"
    if decoding["once"]:
        return f"weights decoded once, in {mib(needed):,.0f} MiB of memory"
    free = "" if decoding["free_bytes"] is None else f" of {mib(decoding['free_bytes']):,.0f} MiB that are free"
    return f"weights decoded for every batch; once would take {mib(needed):,.0f} MiB{free}"


def print_faults(facts: Mapping[str, Any]) -> None:
    """On standard error: what of the files could not be used."""
    sentence = told(facts["records"])
    if sentence is not None:
        messages().print(f"Of the data files, {sentence}")


def _any_inferior(values: list[dict[str, Any]]) -> bool:
    return any(v["inferior_to"] is not None for v in values)
