"""Every small file of a run, damaged in every way that disks, copies and people have, against every command.

A command either goes on without the file and says so, or ends with one sentence that names the file and exit code 2.
Never does it end with a trace, never does one run's file keep `sweep list` from showing the others. What is to happen
stands in `CASES`: a row is a file, a column a command.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
from gapsack.sweep.cli.runs import app
from gapsack.sweep.cluster import launch
from gapsack.sweep.cluster.drive import SweepResult
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.runs import checksums
from gapsack.sweep.runs.curve import curve_rows
from gapsack.sweep.runs.damage import digests
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.report import sweep_records
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import state_of
from gapsack.sweep.tracking import tracker

GRID = """
name: whole
data: {level: video, validate: ["v*.tfrecord"], holdout: {count: 2}, classes: 24}
model: {family: gated_netvlad}
search: {grid: {clusters: [4, 8], hidden: [16, 32]}}
"""
IDS = [f"v{number}" for number in range(40)]
CURVE = "step,loss,gap,learning_rate,videos_per_second,seconds\n10,5.5,,0.001,100.0,1\n20,4.5,0.4,0.001,110.0,2\n"
DONE, FAILED = ("K4-H16", "K4-H32"), "K8-H16"


def video(name: str) -> bytes:
    """A record of video level."""
    means = np.zeros(1024, np.float32), np.zeros(128, np.float32)
    return frame_record(encode.example(name, [1], *means))


def candidate(name: str, seed: int) -> Candidate:
    scores = np.random.default_rng(seed).random((len(IDS), 24), np.float32)
    return Candidate(name, {"float16": 1000}, Predictions.from_dense(IDS, scores), metrics={"gap": 0.5})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two trials that are done, one that failed and one that waits; and another run."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "grid.yaml").write_text(GRID)
    for number in range(4):
        (folder / f"v{number}.tfrecord").write_bytes(b"data")  # which of them are held out is by their names
    held_out = launch.find_files(load_grid(folder / "grid.yaml")).holdout
    for number in range(4):
        file = folder / f"v{number}.tfrecord"
        place = held_out.index(str(file)) if str(file) in held_out else None
        ids = [f"t{number}-{row}" for row in range(3)] if place is None else IDS[20 * place : 20 * (place + 1)]
        file.write_bytes(b"".join(video(each) for each in ids))
    for name in ("whole", "other"):
        grid = load_grid(folder / "grid.yaml", overrides={("name",): name})
        run = RunFolder(folder / "runs" / name)
        split = launch.find_files(grid)
        launch.prepare(run, grid, GRID, split)
        checksums.keep(run.checksums_file, checksums.take([*split.train, *split.holdout]))
        truth = Labels.from_dense(IDS, np.random.default_rng(9).random((len(IDS), 24)) < 0.2)
        CandidatePool(truth, [candidate(each, seed) for seed, each in enumerate(DONE)]).write(run.pool)
        for each in DONE:
            finish(run, each)
        run.trial(FAILED).begin({"point": {"axes": {"clusters": 8, "hidden": 16}}})
        run.trial(FAILED).fail("the loss is not finite")
        ids = {"uri": "sqlite:///mlflow.db", "experiment_id": "1", "parent": "p", "trials": {}}
        run.tracking_file.write_text(json.dumps(ids))
        Ensemble((EnsembleMember(DONE[0], "float16", 1.0, 1000),), total_bytes=1000, budget_bytes=2000).write(
            run.ensemble_file
        )
        point = {"budget_bytes": 1000, "members": [{"name": DONE[0], "size_bytes": 1000}], "tuning_score": 0.5}
        run.frontier_file.write_text(json.dumps({"points": [{**point, "held_out_score": None}]}))
    return folder


def finish(run: RunFolder, name: str) -> None:
    trial = run.trial(name)
    trial.begin({"point": {"axes": {}}})
    trial.curve.write_text(CURVE)
    np.savez(trial.weights, w=np.zeros(3))
    trial.finish(
        TrialResult(
            name=name,
            family="gated_netvlad",
            axes={},
            hyperparameters={},
            gap=0.5,
            size_bytes={"float16": 1000},
            files=digests(run.path, [run.pool / f"{name}.npz", trial.weights]),
        )
    )


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to damage, in which commands run."""
    copy = tmp_path / "here"
    shutil.copytree(whole, copy)
    # The data files' absolute paths are those of the copy, as after a move.
    for run in (copy / "runs").iterdir():
        for name in ("files.json", "config.json"):
            (run / name).write_text((run / name).read_text().replace(str(whole), str(copy)))
    monkeypatch.chdir(copy)
    monkeypatch.delenv("GAPSACK_DATA", raising=False)
    return copy


def cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return damage


def written(content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def folder_instead(path: Path) -> None:
    path.unlink()
    (path / "something").mkdir(parents=True)


def unreadable(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path.chmod(0)


def wrong_types(path: Path) -> None:
    """Every value of the outermost object becomes another kind of value."""
    values = json.loads(path.read_text())
    path.write_text(json.dumps({key: [None] if isinstance(value, str) else "text" for key, value in values.items()}))


def mark_of_order(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


ANY_FILE: dict[str, Callable[[Path], None]] = {
    "empty": written(b""),
    "cut at a tenth": cut(0.1),
    "cut in half": cut(0.5),
    "cut at the end": cut(0.97),
    "zeros": zeros,
    "not UTF-8": written(b"\xff\xfe\x00{"),
    "a folder": folder_instead,
    "unreadable": unreadable,
}
JSON_FILE = ANY_FILE | {
    "{}": written(b"{}"),
    "[]": written(b"[]"),
    "null": written(b"null"),
    "a number": written(b"7"),
    "deep": written(b"[" * 100_000),
    "a key twice": written(b'{"reason": "a", "reason": "b"}'),
    "wrong types": wrong_types,
}


class Case(NamedTuple):
    """A file, and what is to happen; an expectation is a text that must be told, or None where nothing is.

    Attributes:
        file: from the run's folder.
        status, listed, report, pareto: told by the command, which ends well.
        run: told by `sweep run`; a text that begins with ! ends it with exit code 2.
        again: trials that `sweep run` counts as not done, beside the one that failed and the one that waits.
    """

    file: str
    damages: dict[str, Callable[[Path], None]] = JSON_FILE
    status: str | None = None
    listed: str | None = None
    report: str | None = None
    pareto: str | None = None
    run: str | None = None
    again: tuple[str, ...] = ()


CASES = [
    Case(
        "trials/K4-H16/record.json",
        status="K4-H16: expected",
        report="record.json",
        run="K4-H16 is done again",
        again=DONE[:1],
    ),
    Case("trials/K8-H16/failure.json", status="K8-H16: expected why the trial failed in ", report="failure.json"),
    Case("trials/K4-H16/curve.csv", ANY_FILE),
    Case("trials/K4-H16/config.json"),
    Case("tracking.json", run="!delete it"),
    Case("files.json", report="files.json", run="!delete it"),
    Case("checksums.txt", ANY_FILE, run="!delete it"),
    Case("frontier.json", report="give sweep select frontier again"),
    Case("ensemble.json", report="ensemble.json"),
    Case("config.json", status="!", listed="config.json", report="!", run="!"),
    Case(
        "pool/K4-H16.json",
        {name: damage for name, damage in JSON_FILE.items() if name != "wrong types"},
        status="K4-H16.json",
        report="K4-H16.json",
        pareto="K4-H16 is left out",
        run="K4-H16 is done again",
        again=DONE[:1],
    ),
    # What can be read and is wrong may be a person's: a pool is refused for that.
    Case(
        "pool/K4-H16.json",
        {"wrong types": wrong_types},
        status="K4-H16.json",
        report="K4-H16.json",
        pareto="!",
        run="K4-H16 is done again",
        again=DONE[:1],
    ),
    Case(
        "pool/K4-H16.npz",
        ANY_FILE,
        status="K4-H16.npz",
        report="K4-H16.npz",
        pareto="K4-H16 is left out",
        run="K4-H16 is done again",
        again=DONE[:1],
    ),
    Case(
        "pool/labels.npz",
        ANY_FILE,
        status="the pool's labels",
        report="labels.npz",
        pareto="!",
        run="K4-H16 publishes them",
        again=DONE[:1],
    ),
    Case(
        "trials/K4-H16/weights.npz",
        ANY_FILE,
        status="weights.npz",
        report="weights.npz",
        run="K4-H16 is done again",
        again=DONE[:1],
    ),
]


EACH = [pytest.param(case, name, id=f"{case.file} {name}") for case in CASES for name in case.damages]
FIRST = [pytest.param(case, next(iter(case.damages)), id=case.file) for case in CASES]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def check(result: Result, expected: str | None, file: Path) -> None:
    """The command ended as a case expects; whatever went wrong has no trace."""
    said = result.stdout + result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit), said
    if expected is None:
        assert (result.exit_code, str(file) in said) == (0, False), said
    elif expected.startswith("!"):
        assert result.exit_code == 2, said
        assert said.count("\n") == 1 and file.name in said and expected[1:] in said
    else:
        assert result.exit_code == 0, said
        assert expected in said


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trials that `sweep run` has not done, when it comes to train them; nothing is trained."""
    waiting: list[str] = []

    class PretendedDrive:
        def __init__(self, spec: SweepSpec) -> None:
            self.spec = spec

        def run(self, _tracker: object, _stop: object) -> SweepResult:
            state = state_of(self.spec.run, self.spec.grid, alive=False)
            waiting.extend(trial.plan.name for trial in state.waiting)
            return SweepResult(tuple(trial.plan.name for trial in state.done), {}, (), interrupted=False)

    @contextmanager
    def driving(spec: SweepSpec, **_more: object) -> Iterator[PretendedDrive]:
        yield PretendedDrive(spec)

    monkeypatch.setattr(launch, "driving", driving)
    monkeypatch.setattr(tracker, "open_store", Store)
    return waiting


class Store:
    """MLflow that takes everything."""

    experiment_id = "1"

    def __init__(self, uri: str, *_where: object) -> None:
        self.uri = self.view = uri

    def create_run(self, name: str, *_more: object, **_named: object) -> str:
        return name

    def children(self, _parent: str) -> list[str]:
        return []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_values, **_more: None


@pytest.mark.slow
@pytest.mark.parametrize(("case", "damage"), EACH)
def test_a_damaged_file_is_told_and_costs_no_more_than_itself(
    folder: Path, left: list[str], case: Case, damage: str
) -> None:
    file = folder / "runs" / "whole" / case.file
    case.damages[damage](file)

    check(command("status", "runs/whole"), case.status, file)
    listed = command("list")
    check(listed, case.listed, file)
    assert "other " in listed.stdout
    check(command("status", "runs/other"), None, file)
    check_records(case.report, file)
    check(command("select", "pareto", "runs/whole"), case.pareto, file)

    ran = command("run", "grid.yaml")
    if case.run is not None or ran.exit_code:  # that a store of records was not sent it may be told besides
        check(ran, case.run, file)
    if ran.exit_code == 0:
        assert left == [*case.again, FAILED, "K8-H32"]


def check_records(expected: str | None, file: Path) -> None:
    """What a report on the run would tell."""
    try:
        records = sweep_records(RunFolder("runs/whole"))
    except InputError as error:
        assert expected is not None and expected.startswith("!") and str(file) in str(error)
        return
    told = [*records.notices, *(trial.reason for trial in records.trials)]
    if expected is None:
        assert not any(str(file) in sentence for sentence in told)
    else:
        assert any(expected in sentence for sentence in told), told


@pytest.mark.parametrize(("case", "damage"), FIRST)
def test_a_report_shows_what_is_damaged(folder: Path, case: Case, damage: str) -> None:
    case.damages[damage](folder / "runs" / "whole" / case.file)
    result = command("report", "runs/whole")
    if (case.report or "").startswith("!"):
        assert result.exit_code == 2
    else:
        assert result.exit_code == 0
        page = (folder / "runs" / "whole" / "report.html").read_text()
        assert (case.report or "K4-H16") in page


def test_nothing_is_told_of_a_run_that_is_whole(folder: Path, left: list[str]) -> None:
    for arguments in (["status", "runs/whole"], ["list"], ["report", "runs/whole"], ["run", "grid.yaml"]):
        check(command(*arguments), None, folder / "nothing")
    assert left == [FAILED, "K8-H32"]


@pytest.mark.parametrize("case", [case for case in CASES if case.damages is JSON_FILE], ids=lambda case: case.file)
def test_a_mark_of_the_byte_order_is_no_damage(folder: Path, left: list[str], case: Case) -> None:
    mark_of_order(folder / "runs" / "whole" / case.file)
    test_nothing_is_told_of_a_run_that_is_whole(folder, left)


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ("15,\0\0\0,,0.001,,", [10, 20]),
        ("\0\0\0\0\0\0", [10, 20]),
        ("15,4.9", [10, 20]),
        ("15,4.9,0.3,0.001,1,1,7", [10, 20]),
        ("15,4.9,nan,0.001,1,1", [10, 20]),
        (",4.9,0.3,0.001,1,1", [10, 20]),
        ("1.5,4.9,0.3,0.001,1,1", [10, 20]),
        ("15,\x1b[2J,0.3,0.001,1,1", [10, 20]),
        ("15,4.9,,0.001,1,1\r", [10, 15, 20]),
        ("15,4.9,,0.001,1,1", [10, 15, 20]),
    ],
)
def test_of_a_curve_the_bad_row_is_left_out(tmp_path: Path, row: str, kept: list[int]) -> None:
    head, first, second = CURVE.splitlines(keepends=True)
    path = tmp_path / "curve.csv"
    path.write_text(head + first + row + "\n" + second, newline="")
    assert [found["step"] for found in curve_rows(path)] == kept
    path.write_text("\0" * 5 + "\n" + first + second)
    assert [found["step"] for found in curve_rows(path)] == [10, 20]


def test_a_samplers_trial_whose_config_is_damaged_is_told_and_left_aside(folder: Path) -> None:
    run = RunFolder(folder / "runs" / "sampled")
    space = {"clusters": {"choices": [4, 8]}, "hidden": {"low": 8, "high": 64}}
    values = json.loads((folder / "runs" / "whole" / "config.json").read_text())
    run.path.mkdir()
    run.config_file.write_text(json.dumps({**values, "search": {"sampler": {"trials": 3, "space": space}}}))
    for hidden in (16, 17, 18):
        run.trial(f"K8-H{hidden}").begin({"point": {"axes": {"clusters": 8, "hidden": hidden}}})
    damaged = run.trial("K8-H17").config_file
    for damage in (*JSON_FILE.values(), written(b'{"point": {"axes": {"clusters": "x", "hidden": 1}}}')):
        before = damaged.read_bytes()
        damage(damaged)
        result = command("status", "runs/sampled")
        check(result, "K8-H17", damaged)
        assert "K8-H16" in result.stdout and "K8-H18" in result.stdout
        assert str(damaged) in result.stderr
        shutil.rmtree(damaged) if damaged.is_dir() else damaged.unlink()
        damaged.write_bytes(before)


@pytest.mark.long
def test_an_ensemble_is_found_without_the_damaged_candidate(folder: Path) -> None:
    cut(0.5)(folder / "runs" / "whole" / "pool" / "K4-H16.npz")
    result = command("select", "ensemble", "runs/whole", "--budget-mb", "1", "--workers", "1", "--json")
    check(result, "K4-H16 is left out", folder / "nothing")
    assert [member["name"] for member in json.loads(result.stdout)["members"]] == ["K4-H32"]


@pytest.mark.parametrize("name", ["lock", "stop", "trials/K8-H32/running.json"])
def test_a_folder_in_the_place_of_a_mark_is_one_sentence(folder: Path, left: list[str], name: str) -> None:
    mark = folder / "runs" / "whole" / name
    mark.unlink(missing_ok=True)
    mark.mkdir(parents=True)
    check(command("run", "grid.yaml"), "!move", mark)
