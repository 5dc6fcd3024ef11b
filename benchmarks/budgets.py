"""The same trials under the same budgets: members in float16 alone beside precisions chosen by the search.

    python -m benchmarks.budgets RUN DATA_PATTERN [--shares 25 50 100] [--splits 8]

RUN is a run whose trials were published in several precisions, DATA_PATTERN the files that its held-out videos are in.
100 % is what the paper's rule would use: the float16 bytes of all models that its Pareto filter leaves. Held-out GAP is
the mean over splits of the videos into a half that chooses members, precisions and weights and a half that reports;
the difference is paired by split. The first split's ensemble is built as one graph, weighed on disk, and timed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.held_out import features_of, held_out, some_of
from benchmarks.paired import held_out_gap, mean_text, members_text, searched
from benchmarks.precisions import milliseconds
from benchmarks.report import RESULTS, save, table
from gapsack.models.graph import Graph
from gapsack.selection.pareto import inferior
from gapsack.selection.pool import CandidatePool
from gapsack.selection.units import MIB
from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.files import expand
from gapsack.sweep.graphs.build_and_track import write_graph
from gapsack.sweep.graphs.ensembles import write_ensemble
from gapsack.sweep.graphs.packing import read_packing
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.runs.folder import RunFolder

CHOICES: dict[str, list[str] | None] = {"float16": ["float16"], "any": None}


@dataclass(frozen=True)
class Row:
    """One budget and one choice of precisions; times are of the fastest of five calls, weights decoded once."""

    share: int
    budget_mib: float
    choice: str
    members: str
    disk_mib: float
    tuning_gap: float
    held_out_gaps: list[float]
    milliseconds_one: float
    milliseconds_batch: float

    @property
    def held_out_gap(self) -> float:
        return float(np.mean(self.held_out_gaps))


@dataclass(frozen=True)
class Contest:
    """What all rows share: the run, its pool, its held-out videos, and how many splits of them are searched."""

    run: RunFolder
    pool: CandidatePool
    batches: Sequence[Batch]
    splits: int


def row(contest: Contest, share: int, budget_bytes: int, choice: str) -> Row | None:
    """Search every split, build the first one's ensemble; None where nothing fits."""
    batches = contest.batches
    found = [searched(contest.pool, budget_bytes, seed, precisions=CHOICES[choice]) for seed in range(contest.splits)]
    ensembles = [each for each in found if each is not None]
    if not ensembles:
        return None
    first = ensembles[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.json"
        write_ensemble(first, path, contest.run.pool)
        info = write_graph(read_packing(path), Path(folder) / "graph")
        graph = Graph(info.directory)
        graph.decode()
        one = some_of(batches[0], slice(1))
        some = some_of(batches[0], slice(64))
        times = milliseconds(graph, one), milliseconds(graph, some)
    return Row(
        share=share,
        budget_mib=budget_bytes / MIB,
        choice=choice,
        members=members_text(first),
        disk_mib=info.size_bytes / MIB,
        tuning_gap=first.tuning_gap,
        held_out_gaps=[held_out_gap(each) for each in ensembles],
        milliseconds_one=times[0],
        milliseconds_batch=times[1],
    )


def text(rows: Sequence[Row]) -> str:
    header = ["share", "budget MiB", "precisions", "disk MiB", "held-out GAP", "ahead of float16", "ms 1", "ms 64"]
    lines = []
    for each in rows:
        base = next((r for r in rows if r.share == each.share and r.choice == "float16"), None)
        lines.append(
            [
                f"{each.share} %",
                f"{each.budget_mib:.1f}",
                each.choice,
                f"{each.disk_mib:.2f}",
                f"{each.held_out_gap:.5f}",
                _ahead(each, base),
                f"{each.milliseconds_one:.1f}",
                f"{each.milliseconds_batch:.1f}",
            ]
        )
    members = "\n".join(f"{each.share} %, {each.choice}: {each.members}" for each in rows)
    return f"{table(header, lines)}\n\n{members}"


def _ahead(row: Row, base: Row | None) -> str:
    """Mean paired difference over the splits, and its standard error."""
    if base is None:
        return "nothing fits"
    if base is row:
        return ""
    return mean_text(np.subtract(row.held_out_gaps, base.held_out_gaps))


def main() -> None:
    parser = argparse.ArgumentParser(description="Members in float16 beside precisions chosen by the search.")
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--shares", type=int, nargs="+", default=[25, 50, 100], help="percent of the paper's rule")
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for budgets.json and .txt")
    arguments = parser.parse_args()
    run = RunFolder.open(arguments.run)
    pool = CandidatePool.read(run.pool)
    dropped = inferior(pool.candidates, precision="float16")
    everything = sum(c.size_bytes["float16"] for c in pool.candidates if c.name not in dropped)
    batches = held_out(
        expand([arguments.data]),
        features_of(load_config(run.config_file).data.task.to_dict()),
        set(pool.labels.video_ids.tolist()),
    )
    contest, rows = Contest(run, pool, batches, arguments.splits), list[Row]()
    for share in arguments.shares:
        for choice in CHOICES:
            found = row(contest, share, everything * share // 100, choice)
            if found is not None:
                rows.append(found)
                print(asdict(found), flush=True)
    print(text(rows))
    save("budgets", {"results": [asdict(each) for each in rows]}, text(rows), arguments.out)


if __name__ == "__main__":
    main()
