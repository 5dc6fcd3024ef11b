"""What a sweep costs beside its training: trials that train nothing, beside plain Ray Tune with as many.

Each part runs in a process of its own: Tune with a function that reports once, the sweep without and with MLflow, then
what a person does with a run of so many trials. All of the sweep is real (attempts, configs, records, candidates,
reports, MLflow in SQLite) but for the training: a trial writes a curve, a record and, with `--published`, a candidate.
CPU of a driver is that of the process with Tune and, of the sweep, of that which follows it; workers count in neither.
Wall time is that from the first trial's start to the last one's end, so that nothing of it is Ray's own start.

    python -m benchmarks.sweep_scale --trials 300 1000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import RESULTS, save, table
from gapsack.models import sizes
from gapsack.selection.files import load_json
from gapsack.selection.pool import Candidate, Labels, Predictions
from gapsack.selection.pool.files import write_candidate, write_labels
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.curve import CurveFile
from gapsack.sweep.runs.damage import digests
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.trial.control import Control

CLASSES, VIDEOS = 20, 200
ROWS = 5
MOST_ALONE = 300
"""Trials that MLflow's client is timed with: what one takes does not grow."""
AXES = {"clusters": [2, 4, 8, 12, 16, 24, 32, 48, 64, 96], "hidden": [8, 16, 32, 48, 64, 96, 128, 192, 256, 384]}


def axes_of(trials: int) -> dict[str, list[Any]]:
    """The axes of a search with so many points."""
    rates = math.ceil(trials / math.prod(len(values) for values in AXES.values()))
    return {**AXES, "training.learning_rate": [round(0.0001 * 1.05**step, 7) for step in range(rates)]}


def gap_of(name: str, axes: Mapping[str, Any]) -> float:
    """A score that sizes and the learning rate explain, but for some noise that only the name decides."""
    noise = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 - 0.5
    size = math.log2(axes["clusters"]) / 7 + math.log2(axes["hidden"]) / 9
    return 0.7 + 0.06 * size - 0.01 * abs(math.log10(axes["training.learning_rate"]) + 3.5) + 0.01 * noise


def nothing(spec: TrialSpec, control: Control) -> TrialResult:
    """A trial without training."""
    return _nothing(spec, control, published=False)


def nothing_published(spec: TrialSpec, control: Control) -> TrialResult:
    """A trial without training, that leaves a candidate."""
    return _nothing(spec, control, published=True)


def _nothing(spec: TrialSpec, control: Control, *, published: bool) -> TrialResult:
    point, training = spec.point, spec.grid.training
    gap = gap_of(spec.name, point.axes)
    rows = [
        {
            "step": float(step),
            "loss": round(1 / step, 6),
            "gap": round(gap * (1 - 0.5 / step), 6),
            "learning_rate": training.learning_rate,
            "videos_per_second": 1000.0,
            "seconds": 0.01 * step,
        }
        for step in range(1, ROWS + 1)
    ]
    curve: list[Any] = rows
    CurveFile(spec.folder.curve).rewrite(curve)
    control.report({"status": "running", "phase": "training", "step": ROWS, "steps": ROWS, **rows[-1]})
    control.check_owner()
    record = TrialResult(
        name=spec.name,
        run=spec.run.name,
        family=point.family,
        axes=dict(point.axes),
        hyperparameters=dict(point.hyperparameters),
        training=training.model_dump(mode="json"),
        parameters=sizes.parameter_count(point.family, point.hyperparameters),
        size_bytes={
            precision: sizes.size_bytes(point.family, point.hyperparameters, precision)
            for precision in sizes.PRECISIONS
        },
        gap=gap,
        gap_single=gap - 0.001,
        gap_averaged=gap,
        videos=VIDEOS,
        steps=ROWS,
        videos_per_second=1000.0,
        data_wait_share=0.0,
        fit_seconds=0.05,
        seeds={"training": training.seed, "holdout": spec.grid.data.holdout_seed},
        data={**spec.grid.data.facts, "holdout": {"files": 1, "list_crc32c": "00000000"}},
        environment={"python": sys.version.split()[0]},
        kernels="plain",
        fingerprint=spec.fingerprint(),
        files=_published(spec, gap) if published else {},
        host=os.uname().nodename,
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
    spec.folder.finish(record)
    return record


def _published(spec: TrialSpec, gap: float) -> dict[str, Any]:
    """Leave a candidate in the pool, the better the less noise is in it; what the record vouches for."""
    ids = [f"v{row:05}" for row in range(VIDEOS)]
    truth = np.random.default_rng(0).random((VIDEOS, CLASSES)) < 0.1
    rng = np.random.default_rng(int(hashlib.sha256(spec.name.encode()).hexdigest()[:8], 16))
    scores = 1 / (1 + np.exp(3 - 4 * truth - 3 * (1 - gap) * rng.normal(size=truth.shape)))
    bytes_of = {"float16": sizes.size_bytes(spec.point.family, spec.point.hyperparameters, "float16")}
    candidate = Candidate(spec.name, bytes_of, Predictions.from_dense(ids, scores.astype(np.float32), CLASSES))
    pool = spec.run.pool
    if not (pool / "labels.npz").exists():
        write_labels(pool, Labels.from_dense(ids, truth))
    write_candidate(pool, candidate)
    return digests(spec.run.path, [pool / f"{spec.name}.npz"])


def grid_of(folder: Path, name: str, trials: int, *, tracking: str) -> Grid:
    """The sweep of so many trials in a folder, with its data."""
    return Grid.model_validate(
        {
            "name": name,
            "data": {
                "folder": str(folder / "data"),
                "level": "video",
                "validate": ["validate*"],
                "classes": CLASSES,
                "holdout": {"count": 1},
            },
            "model": {"family": "gated_netvlad"},
            "search": {"grid": axes_of(trials)},
            "training": {"steps": ROWS, "checkpoint_steps": ROWS, "averaging": {"last": 1}},
            "budget": {"mib": 1024},
            "tracking": {"uri": tracking},
            "storage": str(folder / "runs"),
        }
    )


@dataclass(frozen=True)
class Cost:
    """What driving trials took, by a clock that starts with the first one.

    Attributes:
        trials: That ended.
        wall_ms: A trial.
        cpu_ms: Of the driver, a trial.
        growth: Wall of the last tenth of the trials over that of the first but one.
        cpu_growth: The same of the driver's CPU.
        end_seconds: From the last trial's end until the driver was free.
        peak_mib: Largest resident memory of the driver's processes together.
        files: In the run's folder, a trial.
        kib: On disk, a trial.
        workers: Processes that ran trials.
        calls: Of MLflow, a trial.
    """

    trials: int
    wall_ms: float
    cpu_ms: float
    growth: float
    cpu_growth: float
    end_seconds: float
    peak_mib: float
    files: float = 0.0
    kib: float = 0.0
    workers: int = 0
    calls: float = 0.0


class Clock:
    """Notes when trials end, and what the driver's processes have taken by then."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self._marks = {0, *(trials * tenth // 10 for tenth in range(1, 11))}
        self._noted: dict[int, tuple[float, float, float]] = {}
        self._ended = 0
        self._seen: dict[int, float] = {}

    def begin(self) -> None:
        """The first trial starts."""
        if not self._noted:
            self._note()

    def ended(self) -> None:
        """A trial has ended."""
        self._ended += 1
        if self._ended in self._marks:
            self._note()

    def cost(self, **further: Any) -> Cost:
        """What came of it; to be asked once the driver is free."""
        self._note(at_end=True)
        start, last, end = (self._noted[key] for key in (0, self._trials, -1))
        first, second, ninth = (self._noted[self._trials * tenth // 10] for tenth in (1, 2, 9))
        return Cost(
            trials=self._ended,
            wall_ms=round(1000 * (last[0] - start[0]) / self._trials, 2),
            cpu_ms=round(1000 * (end[1] - start[1]) / self._trials, 2),
            growth=round((last[0] - ninth[0]) / (second[0] - first[0]), 2),
            cpu_growth=round((last[1] - ninth[1]) / (second[1] - first[1]), 2),
            end_seconds=round(end[0] - last[0], 2),
            peak_mib=round(max(noted[2] for noted in self._noted.values())),
            **further,
        )

    def _note(self, *, at_end: bool = False) -> None:
        resident = 0.0
        for process in (os.getpid(), *_tune_processes()):
            self._seen[process] = _cpu_seconds(process)
            resident += _resident_mib(process)
        self._noted[-1 if at_end else self._ended] = time.monotonic(), sum(self._seen.values()), resident


def _tune_processes() -> list[int]:
    """The child of a sweep's driver in which Tune runs, as long as there is one."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        int(each) for each in children if b"gapsack.sweep.cluster.entry" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]


def _cpu_seconds(process: int) -> float:
    """Of a process so far, its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(process: int) -> float:
    """The most that a process has held so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return float(status.split("VmHWM:", 1)[1].split()[0]) / 1024


class Watching(SweepEvents):
    """Tells the clock of trials."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def trial_started(self, name: str) -> None:
        """The first one starts the clock."""
        self._clock.begin()

    def trial_finished(self, name: str, record: TrialResult) -> None:
        """Noted."""
        self._clock.ended()

    def trial_failed(self, name: str, reason: str) -> None:
        """No trial here fails by itself."""
        raise AssertionError(f"{name}: {reason}")

    def notice(self, message: str) -> None:
        """Said, since it may explain a figure."""
        print(message, file=sys.stderr)


def plain_tune(folder: Path, trials: int) -> Cost:
    """Tune with a function that reports once."""
    import ray
    from ray import tune

    clock, pids = Clock(trials), set[int]()

    class Ends(tune.Callback):  # type: ignore[misc]
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            clock.begin()

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            pids.add(trial.last_result["pid"])
            clock.ended()

    def train(config: dict[str, Any]) -> None:
        tune.report({"gap": gap_of(str(config), config)})

    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    space = {key: tune.grid_search(values) for key, values in axes_of(trials).items()}
    tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(metric="gap", mode="max", reuse_actors=True),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder), callbacks=[Ends()], verbose=0),
    ).fit()
    ray.shutdown()
    return clock.cost(workers=len(pids), **_on_disk(folder / "tune", trials))


def sweep(folder: Path, trials: int, *, tracked: bool, published: bool) -> Cost:
    """Our sweep."""
    from gapsack.sweep.cluster import launch as launching

    clock = Clock(trials)
    grid = grid_of(
        folder, "mlflow" if tracked else "sweep", trials, tracking="sqlite:///mlflow.db" if tracked else "none"
    )
    launching.run_trial = nothing_published if published else nothing  # type: ignore[attr-defined]
    with _calls_counted() as calls:
        launched = launching.launch(grid, "", folder, events=Watching(clock))
    assert len(launched.result.done) == trials, launched.result.failed
    run = launched.run
    pids = {json.loads(file.read_text())["pid"] for file in run.trials.glob("*/attempt-*.json")}
    return clock.cost(workers=len(pids), calls=round(calls.total() / trials, 2), **_on_disk(run.path, trials))


def client_alone(folder: Path, trials: int, *, ahead: bool) -> Cost:
    """MLflow's own client in a loop, with what it takes to tell of a trial: what no sweep with MLflow can be below.

    Args:
        folder: of the database, which is new.
        trials: to be told of.
        ahead: whether the database writes ahead, as ours does; otherwise it is as MLflow makes it.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag

    from gapsack.sweep.tracking.contents import training_params
    from gapsack.sweep.tracking.stores.mlflow_database import commit_quickly

    database = folder / f"client-{'ahead' if ahead else 'plain'}.db"
    database.unlink(missing_ok=True)
    if ahead:
        commit_quickly(database)
    client, clock = MlflowClient(f"sqlite:///{database}"), Clock(trials)
    experiment = client.create_experiment("client", (folder / "client").as_uri())
    grid = grid_of(folder, "client", trials, tracking="none")
    params = [Param(key, str(value)) for key, value in training_params(grid).items()]
    tags = [RunTag(f"env.{number}", "of the environment") for number in range(8)]
    data = [
        DatasetInput(Dataset(name, "00ff", "gapsack", "{}"), [InputTag("mlflow.data.context", name)])
        for name in ("training", "evaluation")
    ]
    clock.begin()
    with _calls_counted() as calls:
        for number in range(trials):
            run_id = client.create_run(experiment, run_name=f"trial {number}").info.run_id
            client.log_inputs(run_id, data)
            model = client.create_logged_model(
                experiment, f"trial {number}", run_id, params={"family": "gated_netvlad"}
            )
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, ROWS)])
            curve = [
                Metric(key, 1 / step, step, step)
                for step in range(1, ROWS + 1)
                for key in ("loss", "gap", "learning_rate", "videos_per_second")
            ]
            figures = [Metric(f"figure {each}", 1.0, ROWS, ROWS, model.model_id, run_id=run_id) for each in range(10)]
            client.log_batch(run_id, metrics=[*curve, *figures], params=params, tags=tags)
            client.set_terminated(run_id)
            clock.ended()
    return clock.cost(calls=round(calls.total() / trials, 2))


@contextmanager
def _calls_counted() -> Iterator[Counter[str]]:
    """What our store asks of MLflow, by name."""
    from mlflow import MlflowClient

    calls: Counter[str] = Counter()
    originals = {name: value for name, value in vars(MlflowClient).items() if callable(value) and name[0] != "_"}

    def counted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **more: Any) -> Any:
            calls[name] += 1
            return original(*values, **more)

        return call

    for name, original in originals.items():
        setattr(MlflowClient, name, counted(name, original))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            setattr(MlflowClient, name, original)
        print(dict(calls), file=sys.stderr)


def _on_disk(folder: Path, trials: int) -> dict[str, float]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    kib = sum(path.stat().st_size for path in files) / 1024 / trials
    return {"files": round(len(files) / trials, 2), "kib": round(kib, 1)}


def looks(folder: Path, name: str) -> dict[str, float]:
    """Seconds of CPU that commands on a run take, their start included, and the report's size."""
    run = folder / "runs" / name
    commands = {
        "status": ["status", str(run)],
        "list": ["list", "--storage", str(run.parent)],
        "report": ["report", str(run), "--no-track"],
    }
    found = {"help": _seconds(["--help"])}
    found |= {f"{key} s": _seconds(words) for key, words in commands.items()}
    return {**found, "report MB": round((run / "report.html").stat().st_size / 1e6, 2)}


def _seconds(words: list[str]) -> float:
    code = "from gapsack.sweep.cli import main; main()"
    before = os.times()
    subprocess.run([sys.executable, "-c", code, *words], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    taken = after.children_user + after.children_system - before.children_user - before.children_system
    return round(taken, 2)


def resumed(folder: Path, trials: int, *, tracked: bool) -> float:
    """Seconds until a run of which nothing is left to do is found to be done, imports not counted."""
    from gapsack.sweep.cluster import launch as launching

    grid = grid_of(
        folder, "mlflow" if tracked else "sweep", trials, tracking="sqlite:///mlflow.db" if tracked else "none"
    )
    if tracked:
        import mlflow  # noqa: F401
    start = time.monotonic()
    launched = launching.launch(grid, "", folder)
    assert len(launched.result.done) == trials, launched.result.failed
    return round(time.monotonic() - start, 2)


def part(name: str, folder: Path, trials: int, *, published: bool) -> dict[str, Any]:
    """One of the parts, in this process."""
    match name:
        case "tune":
            return asdict(plain_tune(folder, trials))
        case "sweep" | "mlflow":
            return asdict(sweep(folder, trials, tracked=name == "mlflow", published=published))
        case "client" | "client-ahead":
            return asdict(client_alone(folder, min(trials, MOST_ALONE), ahead=name != "client"))
        case "resume" | "resume-mlflow":
            return {"seconds": resumed(folder, trials, tracked=name != "resume")}
        case "looks":
            return looks(folder, "sweep")
        case _:
            raise ValueError(name)


DRIVING = ("tune", "sweep", "mlflow", "client", "client-ahead")
PARTS = (*DRIVING, "resume", "resume-mlflow", "looks")


def measure(folder: Path, trials: int, parts: list[str], *, published: bool) -> dict[str, Any]:
    """All parts, each in a process of its own."""
    sample: dict[str, Any] = {"videos_per_file": 20, "classes": CLASSES, "min_frames": 2, "max_frames": 4}
    if not (folder / "data").exists():
        write_synth(folder / "data", level="video", train_files=1, validate_files=2, seed=0, **sample)
    found: dict[str, Any] = {}
    for name in parts:
        words = [sys.executable, "-m", "benchmarks.sweep_scale", "--trials", str(trials), "--part", name]
        words += ["--folder", str(folder), *(["--published"] if published else [])]
        printed = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
        found[name] = json.loads(printed.splitlines()[-1])
        print(trials, name, found[name], flush=True)
    return found


def told(figures: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> str:
    """The driving, and what commands take afterwards, as tables."""
    keys = ("wall_ms", "cpu_ms", "growth", "cpu_growth", "end_seconds", "peak_mib", "files", "calls")
    driving = [
        [f"{trials} {name}", _with_end(parts[name]), *(str(parts[name][key]) for key in keys)]
        for trials, parts in sorted(figures.items())
        for name in DRIVING
        if name in parts
    ]
    after: dict[str, list[str]] = {}
    for trials, parts in sorted(figures.items()):
        resume = {f"{name} s": parts[name]["seconds"] for name in ("resume", "resume-mlflow") if name in parts}
        after[str(trials)] = [f"{key} {value}" for key, value in {**resume, **parts.get("looks", {})}.items()]
    lines = [f"{trials} trials: {', '.join(values)}" for trials, values in after.items()]
    return "\n".join([table(["trials", "all_ms", *keys], driving), "", *lines])


def _with_end(cost: Mapping[str, Any]) -> str:
    """Wall of a trial with its part of what comes after the last one."""
    return str(round(cost["wall_ms"] + 1000 * cost["end_seconds"] / cost["trials"], 2))


def main() -> None:
    """Print what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--published", action="store_true", help="trials leave candidates")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="kept, with the runs; a temporary one if omitted")
    parser.add_argument("--again", action="store_true", help="keep what earlier calls found of other sizes and parts")
    given = parser.parse_args()
    if given.part:
        print(json.dumps(part(given.part, given.folder, given.trials[0], published=given.published)))
        return
    kept = load_json(RESULTS / "sweep_scale.json")["figures"] if given.again else {}
    figures: dict[int, dict[str, Any]] = {int(trials): found for trials, found in kept.items()}
    for trials in given.trials:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (given.folder or Path(temporary)) / str(trials)
            folder.mkdir(parents=True, exist_ok=True)
            found = measure(folder.absolute(), trials, given.parts, published=given.published)
            figures[trials] = figures.get(trials, {}) | found
    text = told(figures)
    print(text)
    save("sweep_scale", {"figures": figures}, text)


if __name__ == "__main__":
    main()
