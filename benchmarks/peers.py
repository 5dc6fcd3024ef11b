"""Held out against the code of others: AutoGluon's, TabArena's, phem's and mljar's ensemble selections on small sets.

    python3.11 -m venv .venv-peers && .venv-peers/bin/pip install --no-deps -r benchmarks/peers.txt
    python -m benchmarks.peers --python .venv-peers/bin/python

Pools are those of `benchmarks.small_sets`, twins with few labelled videos and scikit-learn models of eight data sets,
and those of `benchmarks.video_pools`, small models of real YouTube-8M videos where their files are given. Half of a
pool's items or fewer choose, the others judge. The peers know no budget, so every ensemble is allowed; at half of the
bytes of all models, greedy selection with a size mask stands in for them. Each peer runs in an environment of its own
(`benchmarks.peer_code`); one that is not installed there takes no part, and is named. What the peers chose does not
change with our code: `--ours-again` searches ours alone beside what an earlier run kept of them, on pools that it had.

A case is one data set, metric and budget. Differences are ours less the peer's held out, paired by split or seed; log
loss counts negatively, so that more is better everywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines import Problem, greedy_masked
from benchmarks.peer_code import ACCURACY, GAP, LOG_LOSS
from benchmarks.report import RESULTS, save, table
from benchmarks.small_sets import Small, Weights, data_sets, sklearn_pool, twin_pools, weights_of
from benchmarks.video_pools import video_pools
from gapsack.selection.search import search_ensemble

ROOT = Path(__file__).parent.parent
BAGGED = "ours, bagged"
OURS: dict[str, dict[str, Any]] = {
    "ours": {"prefer": "measured"},
    "ours, best score": {"prefer": "score"},
    BAGGED: {"prefer": "bagged"},
}
GREEDY = "greedy, size mask"
NO_BUDGET, HALF = "none", "half"
COUNTED_ERRORS = 1.0  # standard errors from which on a case counts as ahead or behind


@dataclass(frozen=True)
class Task:
    """One pool and what is asked of it: its kind, its data set, the split or seed, and the metric."""

    kind: str
    data_set: str
    split: int
    metric: str
    small: Small

    @property
    def name(self) -> str:
        return f"{self.data_set}, {self.split}, {self.metric}".replace(" ", "_").replace(",", "")


@dataclass(frozen=True)
class Choice:
    """What one method chose for one task: its score on the items that judge, and its seconds of the processor."""

    kind: str
    data_set: str
    split: int
    metric: str
    budget: str
    method: str
    held_out: float
    cpu_seconds: float


def tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    """Every pool that is asked for, with every metric that suits it."""
    for seed in range(arguments.seeds):
        counts = [n for n in arguments.videos if n < LARGE or seed < arguments.large_seeds]
        for small in twin_pools(seed, counts) if counts else ():
            yield Task(small.name, small.name, seed, GAP, small)
    for split in range(arguments.splits):
        for name in data_sets():
            small = sklearn_pool(name, split)
            for metric in (GAP, LOG_LOSS, ACCURACY):
                yield Task("scikit-learn", name, split, metric, small)
    for split, small in enumerate(video_pools(arguments.records, arguments.video_splits)):
        yield Task("YouTube-8M", small.name, split, GAP, small)


LARGE = 1_000  # labelled videos of a twin from which on fewer seeds run


def write(task: Task, folder: Path) -> None:
    """What the peers get of a task: that which chooses, and nothing of what judges."""
    choose = task.small.choose
    np.savez(folder / f"{task.name}.npz", scores=choose.scores, labels=choose.labels, metric=task.metric)


def run_peers(python: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Have all peers choose for what lies in a folder; returns who took part, and who did not and why."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [str(python), "-m", "benchmarks.peer_code", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"The peers' code failed under {python}:\n{done.stderr}")
    told: dict[str, dict[str, str]] = json.loads((folder / "peers.json").read_text())
    return told


def judged(task: Task, theirs: dict[str, Any]) -> list[Choice]:
    """All choices for one task: the peers', ours and greedy's without a budget, and the latter at half the bytes."""
    small = task.small
    small.choose.metric = small.judge.metric = task.metric
    pool, count = small.pool(), len(small.size_bytes)
    total = int(small.size_bytes.sum())
    found: list[Choice] = []

    def add(budget: str, method: str, weights: Weights, cpu_seconds: float) -> None:
        score = small.judge.gap(weights)
        found.append(Choice(task.kind, task.data_set, task.split, task.metric, budget, method, score, cpu_seconds))

    for name, answer in theirs.items():
        add(NO_BUDGET, name, np.array(answer["weights"]), answer["cpu_seconds"])
    for budget, budget_bytes in ((NO_BUDGET, total), (HALF, total // 2)):
        for name, options in OURS.items():
            start = time.process_time()
            ensemble = search_ensemble(pool, budget_bytes=budget_bytes, metric=task.metric, folds=1, **options)
            add(budget, name, weights_of(ensemble, count), time.process_time() - start)
        start = time.process_time()
        weights = greedy_masked(Problem(small.choose, small.size_bytes, budget_bytes))  # type: ignore[arg-type]
        add(budget, GREEDY, weights, time.process_time() - start)
    return found


@dataclass(frozen=True)
class Difference:
    """Ours less a method, held out, over the splits of some cases."""

    mean: float
    error: float
    ahead: int
    behind: int
    cases: int


def difference(choices: Sequence[Choice], ours: str, method: str) -> Difference:
    """Of the choices of one kind, metric and budget: the mean over all pairs, and cases beyond a standard error."""
    scores: dict[str, dict[tuple[str, int], float]] = {ours: {}, method: {}}
    for each in choices:
        if each.method in scores:
            scores[each.method][each.data_set, each.split] = each.held_out
    by_case: dict[str, list[float]] = defaultdict(list)
    for (data_set, split), score in scores[method].items():
        by_case[data_set].append(scores[ours][data_set, split] - score)
    found = [_mean_and_error(leads) for leads in by_case.values()]
    mean, error = _mean_and_error([lead for leads in by_case.values() for lead in leads])
    ahead = sum(lead > COUNTED_ERRORS * its for lead, its in found)
    behind = sum(-lead > COUNTED_ERRORS * its for lead, its in found)
    return Difference(mean, error, ahead, behind, len(found))


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; of a single value, which has none, infinity."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf


def rows_of(choices: Sequence[Choice]) -> list[list[str]]:
    """Kind by kind, metric by metric, budget by budget: ours beside every method."""
    groups: dict[tuple[str, str, str], list[Choice]] = defaultdict(list)
    for each in choices:
        groups[each.kind, each.metric, each.budget].append(each)
    rows = []
    for (kind, metric, budget), mine in groups.items():
        methods = sorted({each.method for each in mine} - {"ours"}, key=lambda name: (name in OURS, name))
        for method in methods:
            lead = difference(mine, "ours", method)
            bagged = difference(mine, BAGGED, method)
            of_method = [each for each in mine if each.method == method]
            rows.append(
                [
                    kind,
                    metric,
                    budget,
                    method,
                    str(len(of_method)),
                    f"{np.mean([each.held_out for each in of_method]):.5f}",
                    f"{lead.mean:+.5f} ± {lead.error:.5f}",
                    f"{lead.ahead} / {lead.behind} of {lead.cases}",
                    "" if method == BAGGED else f"{bagged.mean:+.5f} ± {bagged.error:.5f}",
                    "" if method == BAGGED else f"{bagged.ahead} / {bagged.behind}",
                    f"{1000 * np.median([each.cpu_seconds for each in of_method]):.0f}",
                    f"{1000 * np.median([each.cpu_seconds for each in mine if each.method == 'ours']):.0f}",
                ]
            )
    return rows


HEADER = ["pools", "metric", "budget", "method", "n", "held out", "ours less it", "ahead / behind"]
HEADER += ["bagged less it", "ahead / behind", "CPU ms", "ours"]


def text_of(choices: Sequence[Choice], told: dict[str, dict[str, str]]) -> str:
    """The table, and under it who took part."""
    versions = sorted({each["version"] for each in told.values() if "version" in each})
    missing = [each["missing"] for each in told.values() if "missing" in each]
    return "\n".join([table(HEADER, rows_of(choices)), "", *([", ".join(versions)] if versions else []), *missing])


def told_of(choices: list[Choice]) -> list[Choice]:
    """The choices for one task, printed."""
    first = choices[0]
    scores = {f"{each.method}, {each.budget}": round(float(each.held_out), 5) for each in choices}
    print(first.data_set, first.split, first.metric, scores, flush=True)
    return choices


def main() -> None:
    parser = argparse.ArgumentParser(description="Ours and the ensemble selections of others on small sets, held out.")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="of the peers' environment")
    parser.add_argument("--splits", type=int, default=4, help="of every scikit-learn data set")
    parser.add_argument("--seeds", type=int, default=20, help="twins")
    parser.add_argument("--videos", type=int, nargs="*", default=[100, 200, 500, 2_000], help="labelled ones of a twin")
    parser.add_argument("--large-seeds", type=int, default=4, help=f"twins with {LARGE} labelled videos and more")
    parser.add_argument("--records", type=Path, nargs="*", default=[], help="files of video-level YouTube-8M records")
    parser.add_argument("--video-splits", type=int, default=8, help="of the real videos that train no model")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for peers.json and .txt")
    parser.add_argument("--ours-again", action="store_true", help="search ours again beside the peers' kept results")
    arguments = parser.parse_args()
    choices: list[Choice] = []
    if arguments.ours_again:
        kept = json.loads((arguments.out / "peers.json").read_text())
        told = kept["peers"]
        theirs = [Choice(**each) for each in kept["results"] if each["method"] in told]
        for task in tasks(arguments):
            case = task.data_set, task.split, task.metric
            choices += [each for each in theirs if (each.data_set, each.split, each.metric) == case]
            choices += told_of(judged(task, {}))
    else:
        with tempfile.TemporaryDirectory() as name:
            folder, wanted = Path(name), list(tasks(arguments))
            for task in wanted:
                write(task, folder)
            told = run_peers(arguments.python, folder)
            for task in wanted:
                choices += told_of(judged(task, json.loads((folder / f"{task.name}.json").read_text())))
    text = text_of(choices, told)
    print(text)
    save("peers", {"peers": told, "results": [asdict(each) for each in choices]}, text, arguments.out)


if __name__ == "__main__":
    main()
