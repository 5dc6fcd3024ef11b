"""Mixed teams beside teams of one family: the best ensemble of each kind under shares of all float16 bytes.

    python -m benchmarks.mixed_team RUN [--shares 10 25 50 100] [--splits 8] [--data PATTERN] [--name NAME]

RUN is a run of several families. Every split of its held-out videos into a half that chooses (model, members,
precisions, weights) and a half that reports is searched three times a budget: for the best single model, for the best
ensemble of one family (of all families the one ahead on the choosing half), and for the best ensemble of any. Figures
are means over splits; the differences are paired by split. With PATTERN, the files that the held-out videos are in, the
first split's mixed ensembles are built, and the graph's own GAP of all these videos is held against the certified
interval.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.held_out import features_of, held_out
from benchmarks.paired import held_out_gap, mean_text, members_text, searched
from benchmarks.report import RESULTS, save, table
from gapsack.models.graph import Graph
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.units import MIB
from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.files import expand
from gapsack.sweep.graphs.build_and_track import write_graph
from gapsack.sweep.graphs.ensembles import write_ensemble
from gapsack.sweep.graphs.packing import read_packing
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.runs.folder import RunFolder

KINDS = ("single model", "one family", "mixed")
TOP_K = 20
RESAMPLES = 2  # intervals are not told here


@dataclass(frozen=True)
class Row:
    """One kind of team at one budget; ``families`` are those that won, a split each."""

    share: int
    budget_mib: float
    kind: str
    mib: list[float]
    held_out_gaps: list[float]
    families: list[str]
    members: str
    certified: tuple[float, float] | None
    graph_gap: float | None = None


@dataclass(frozen=True)
class Teams:
    """A pool, and its parts by family."""

    pool: CandidatePool
    by_family: dict[str, CandidatePool]

    @classmethod
    def of(cls, pool: CandidatePool) -> Teams:
        families = sorted({family_of(candidate.origin) for candidate in pool.candidates})
        parts = {
            family: CandidatePool(pool.labels, [c for c in pool.candidates if family_of(c.origin) == family])
            for family in families
        }
        return cls(pool, parts)

    def best(self, kind: str, budget_bytes: int, seed: int) -> Ensemble | None:
        """The best team of a kind on the choosing half of a split; None where nothing fits."""
        if kind == "single model":
            return searched(self.pool, budget_bytes, seed, max_members=1, resamples=RESAMPLES)
        if kind == "mixed":
            return searched(self.pool, budget_bytes, seed, resamples=RESAMPLES)
        found = [searched(part, budget_bytes, seed, resamples=RESAMPLES) for part in self.by_family.values()]
        return max((each for each in found if each is not None), key=_tuning_score, default=None)


def family_of(origin: dict[str, Any]) -> str:
    """The family of a trained candidate."""
    return str(origin["family"])


def row(teams: Teams, kind: str, share: int, budget_bytes: int, splits: int) -> tuple[Row, Ensemble] | None:
    """All splits of one kind at one budget; None where nothing fits."""
    found = [each for each in (teams.best(kind, budget_bytes, seed) for seed in range(splits)) if each is not None]
    if not found:
        return None
    first = found[0]
    record = Row(
        share=share,
        budget_mib=budget_bytes / MIB,
        kind=kind,
        mib=[each.total_bytes / MIB for each in found],
        held_out_gaps=[held_out_gap(each) for each in found],
        families=[", ".join(sorted({family_of(teams.pool[m.name].origin) for m in each.members})) for each in found],
        members=members_text(first),
        certified=first.gap_interval,
    )
    return record, first


def graph_gap(run: RunFolder, ensemble: Ensemble, batches: Sequence[Batch]) -> float:
    """GAP of the built graph on batches of labelled videos."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.json"
        write_ensemble(ensemble, path, run.pool)
        graph = Graph(write_graph(read_packing(path), Path(folder) / "graph").directory)
        graph.decode()
        scores = [graph.predict(batch.inputs).probabilities for batch in batches]
    return float(gap_at_k(np.concatenate(scores), np.concatenate([batch.labels for batch in batches]), TOP_K))


def text(rows: Sequence[Row]) -> str:
    header = ["share", "budget MiB", "team", "MiB", "held-out GAP", "mixed ahead by", "families of the splits"]
    lines = []
    for each in rows:
        mixed = next((r for r in rows if r.share == each.share and r.kind == "mixed"), None)
        counts = {families: each.families.count(families) for families in dict.fromkeys(each.families)}
        lines.append(
            [
                f"{each.share} %",
                f"{each.budget_mib:.1f}",
                each.kind,
                f"{np.mean(each.mib):.1f}",
                f"{np.mean(each.held_out_gaps):.5f}",
                ""
                if mixed is None or mixed is each
                else mean_text(np.subtract(mixed.held_out_gaps, each.held_out_gaps)),
                "; ".join(f"{count} x {families}" for families, count in counts.items()),
            ]
        )
    members = "\n".join(f"{each.share} %, {each.kind}: {each.members}" for each in rows)
    graphs = "\n".join(
        f"{each.share} %: the built graph's GAP {each.graph_gap:.6f}, certified {each.certified[0]:.6f} to "
        f"{each.certified[1]:.6f}"
        for each in rows
        if each.graph_gap is not None and each.certified is not None
    )
    return "\n\n".join(
        part for part in (table(header, lines), f"Members of the first split:\n{members}", graphs) if part
    )


def _tuning_score(ensemble: Ensemble) -> float:
    assert ensemble.tuning_score is not None  # a search found it
    return ensemble.tuning_score


def main() -> None:
    parser = argparse.ArgumentParser(description="Mixed teams beside teams of one family.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--shares", type=int, nargs="+", default=[10, 25, 50, 100], help="percent of all float16 bytes")
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--data", help="files that the held-out videos are in; builds the mixed ensembles")
    parser.add_argument("--name", default="mixed_team", help="of the results: NAME.json and NAME.txt")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    arguments = parser.parse_args()
    run = RunFolder.open(arguments.run)
    teams = Teams.of(CandidatePool.read(run.pool))
    everything = sum(candidate.size_bytes["float16"] for candidate in teams.pool.candidates)
    batches: list[Batch] = []
    if arguments.data is not None:
        features = features_of(load_config(run.config_file).data.task.to_dict())
        batches = held_out(expand([arguments.data]), features, set(teams.pool.labels.video_ids.tolist()))
    rows: list[Row] = []
    for share in arguments.shares:
        for kind in KINDS:
            found = row(teams, kind, share, everything * share // 100, arguments.splits)
            if found is None:
                continue
            record, first = found
            if kind == "mixed" and batches:
                record = Row(**{**asdict(record), "graph_gap": graph_gap(run, first, batches)})
            rows.append(record)
            print(asdict(record), flush=True)
    print(text(rows))
    save(arguments.name, {"results": [asdict(each) for each in rows]}, text(rows), arguments.out)


if __name__ == "__main__":
    main()
