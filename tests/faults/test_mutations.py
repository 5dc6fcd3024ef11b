"""Files that are spoilt in any way bring a sentence of ours, an exit code of 0, 1 or 2, and never a trace.

Each kind of file that the command lines read is mutated twice over: in its bytes, as disks and networks do it, and in
its values, as people and programs do it. What is found is a fault of ours exactly when an error reaches the top that
nobody raised on purpose.
"""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gapsack.models.checkpoints import read_weights, write_weights
from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.sweep.cli.problems import OWN_FAULT
from gapsack.sweep.cli.runs import app

VIDEOS, CLASSES = 24, 22

QUICK = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,  # a test of the suite finds the same each time; more examples are a matter of max_examples
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

GRID = """
name: small
data:
  level: frame
  train: ["train*.tfrecord"]
  validate: ["validate*.tfrecord"]
  holdout: {count: 1}
  classes: 22
model: {family: gated_netvlad, options: {mixtures: 2}}
search: {grid: {clusters: [2, 4], hidden: [8]}}
training:
  {steps: 10, batch_size: 16, sample_frames: 6, learning_rate: 3e-3, batch_norm_decay: 0.9, checkpoint_steps: 5,
   averaging: {last: 2, max_evaluations: 3}}
budget: {mib: 1024}
resources: {cpus: 1, concurrent: 2}
"""

NASTY: list[Any] = [
    None, True, -1, 0, 3.9, 2**31, 2**63, 2**70, 1e308, float("inf"), float("nan"), "", "x", "\0", "\x1b[31m",
    "x" * 300, "../up", "/", "1e400", [], [[]], {}, {"x": {}}, [None], [1, "a"], "é" * 100, "nan", "-0", "${HOME}",
    "9" * 5000,
]  # fmt: skip

OTHER_ARRAYS: list[Any] = [
    np.zeros(0), np.array(1), np.array(2**40), np.zeros((2, 3)), np.zeros((2, 0)), np.full((24, 22), np.nan),
    np.full((24, 22), 1j), np.full((24, 22), "x"), np.ones((24, 22), bool), np.full((24, 20), 2**40), np.arange(24),
    np.arange(24) + 0.5, np.array([b"\xff"] * 24), np.array(["v"] * 24), np.full((24, 20), -1), np.zeros((24, 20, 2)),
    np.zeros(25, "M8[s]"), np.zeros(25, [("a", int)]), np.full(25, 2**63, np.uint64), np.zeros((24, 20), np.float16),
    np.zeros((24, 22), ">f8"), np.zeros((24, 22), order="F"),
]  # fmt: skip


def spoilt_bytes(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with bytes changed, left out, put in or said twice, or cut short."""
    place = st.integers(0, max(len(content) - 1, 0))
    piece = st.one_of(
        st.binary(max_size=9), st.sampled_from([b"\0", b"\xff\xfe", b"[" * 3000, b"{}", b"-", b"9" * 5000])
    )
    change = st.tuples(st.sampled_from(["put", "over", "drop", "twice", "cut"]), place, st.integers(0, 40), piece)

    def apply(changes: list[tuple[str, int, int, bytes]]) -> bytes:
        found = content
        for kind, start, length, new in changes:
            head, middle, tail = found[:start], found[start : start + length], found[start + length :]
            found = {
                "put": head + new + middle + tail,
                "over": head + new + tail,
                "drop": head + tail,
                "twice": head + middle + middle + tail,
                "cut": head,
            }[kind]
        return found

    return st.lists(change, min_size=1, max_size=3).map(apply)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of nested plain values."""
    found = [above] if above else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        found += places(below, (*above, key))
    return found


def spoilt_values(value: Any) -> st.SearchStrategy[Any]:
    """Nested plain values with some replaced, left out or under another key."""
    change = st.tuples(st.sampled_from(places(value)), st.sampled_from(["set", "drop", "key"]), st.sampled_from(NASTY))

    def apply(changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
        found = copy.deepcopy(value)
        for (*above, last), kind, new in changes:
            holder = found
            try:
                for key in above:
                    holder = holder[key]
                if kind == "set":
                    holder[last] = copy.deepcopy(new)
                else:
                    old = holder.pop(last)
                    if kind == "key" and isinstance(holder, dict):
                        holder[str(new)] = old
            except (KeyError, IndexError, TypeError, AttributeError):
                continue  # an earlier change took the place away
        return found

    return st.lists(change, min_size=1, max_size=3).map(apply)


def spoilt_archive(content: bytes) -> st.SearchStrategy[bytes]:
    """An .npz with arrays replaced, left out or with bytes of theirs spoilt under a checksum that fits."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    raw = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        raw = {name: archive.read(name) for name in archive.namelist()}

    def replaced(change: tuple[str, Any]) -> bytes:
        name, new = change
        file = io.BytesIO()
        kept = {key: values for key, values in arrays.items() if key != name}
        np.savez(file, **(kept if new is None else {**kept, name: new}))
        return file.getvalue()

    def packed(change: tuple[str, bytes]) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, own in (raw | {change[0]: change[1]}).items():
                archive.writestr(name, own)
        return file.getvalue()

    inner = st.one_of([st.tuples(st.just(name), spoilt_bytes(own[:200] + own[200:])) for name, own in raw.items()])
    outer = st.tuples(st.sampled_from(sorted(arrays)), st.sampled_from([None, *OTHER_ARRAYS]))
    return st.one_of(outer.map(replaced), inner.map(packed))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of each kind, all of them whole."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    truth = rng.random((VIDEOS, CLASSES)) < 0.15
    ids = np.array([f"v{number:02}" for number in range(VIDEOS)])
    np.savez(folder / "truth.npz", video_ids=ids, labels=truth)
    np.savez(folder / "a.npz", video_ids=ids, scores=rng.random(truth.shape))
    rows = [" ".join(f"{place} {score:.3f}" for place, score in enumerate(row)) for row in rng.random((VIDEOS, 5))]
    lines = [f"{video},{row}" for video, row in zip(ids, rows, strict=True)]
    (folder / "a.csv").write_text("\n".join(["VideoId,LabelConfidencePairs", *lines]) + "\n")
    lines = [f"{video},{' '.join(map(str, np.flatnonzero(row)))}" for video, row in zip(ids, truth, strict=True)]
    (folder / "truth.csv").write_text("\n".join(["VideoId,Labels", *lines]) + "\n")
    (folder / "grid.yaml").write_text(GRID)
    done = run(folder, f"{ADD} pool --labels truth.npz --predictions a=a.npz --size a=1MiB")
    assert done.exit_code == 0, done.output
    members = [{"name": "a", "precision": "float32", "weight": 1.0, "size_bytes": 2**20}]
    replace_json(
        folder / "ensemble.json",
        {"format": "gapsack.ensemble/1", "members": members, "blend": "logit", "pool": "pool", "budget_bytes": 2**21,
         "total_bytes": 2**20, "gap_interval": [0.1, 0.2], "seeds": {"seed": 1}, "search": {}, "held_out": None},
    )  # fmt: skip
    write_weights(folder / "weights.npz", {"tower/a": rng.random((4, 5)), "tower/b": rng.random(3)})
    return folder


ADD = "select pool add"
WITH_LABELS = f"{ADD} new --labels {{file}} --classes {CLASSES} --predictions m=a.npz --size m=1MiB"
WITH_PREDICTIONS = f"{ADD} new --labels truth.npz --predictions m={{file}} --size m=1MiB"

READ_BY = {
    # a file, and the command that reads it
    "grid.yaml": "plan {file}",
    "a.csv": WITH_PREDICTIONS,
    "a.npz": WITH_PREDICTIONS,
    "truth.csv": WITH_LABELS,
    "truth.npz": WITH_LABELS,
    "pool/a.json": "select pareto pool",
    "pool/a.npz": "select pareto pool",
    "pool/labels.npz": "select pareto pool",
    "ensemble.json": "select build {file} --out graph",
}


def run(folder: Path, typed: str) -> Any:
    with chdir(folder):
        return CliRunner().invoke(app, typed.split())


def check(folder: Path, name: str, content: bytes) -> None:
    """Put the content in the place of a file, give the command that reads it, and put the file back."""
    file = folder / name
    whole = file.read_bytes()
    try:
        file.write_bytes(content)
        done = run(folder, READ_BY[name].format(file=name))
    finally:
        file.write_bytes(whole)
        for made in (folder / "new", folder / "graph"):
            for path in sorted(made.glob("*")):
                path.unlink()
    assert done.exit_code in (0, 1, 2), done.output
    assert OWN_FAULT not in done.stderr, done.stderr
    assert "Traceback" not in done.output
    assert done.exit_code == 0 or done.stderr.startswith(("Error: ", "Failed: ")), done.stderr


@pytest.mark.parametrize("name", READ_BY)
@QUICK
@given(data=st.data())
def test_spoilt_bytes(name: str, made: Path, data: st.DataObject) -> None:
    check(made, name, data.draw(spoilt_bytes((made / name).read_bytes())))


@pytest.mark.parametrize("name", [name for name in READ_BY if name.endswith(".npz")])
@QUICK
@given(data=st.data())
def test_spoilt_arrays(name: str, made: Path, data: st.DataObject) -> None:
    check(made, name, data.draw(spoilt_archive((made / name).read_bytes())))


SPELLED: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], str]]] = {
    "grid.yaml": (yaml.safe_load, lambda value: yaml.safe_dump(value, allow_unicode=True)),
    "pool/a.json": (json.loads, json.dumps),
    "ensemble.json": (json.loads, json.dumps),
}


@pytest.mark.parametrize("name", SPELLED)
@QUICK
@given(data=st.data())
def test_spoilt_values(name: str, made: Path, data: st.DataObject) -> None:
    parse, spell = SPELLED[name]
    value = parse((made / name).read_bytes())
    check(made, name, spell(data.draw(spoilt_values(value))).encode())


@QUICK
@given(data=st.data())
def test_spoilt_weights(made: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = (made / "weights.npz").read_bytes()
    file = tmp_path / "weights.npz"
    file.write_bytes(data.draw(st.one_of(spoilt_bytes(whole), spoilt_archive(whole))))
    try:
        found = read_weights(file)
    except InputError as error:
        assert str(file) in str(error)
    else:
        assert all(isinstance(values, np.ndarray) for values in found.values())


WORDS = st.sampled_from(
    ["nan", "inf", "-inf", "-1", "0", "1e400", "9" * 5000, "x" * 300, "", "\0", "-", "/", ".", "é", "1", "a=b", "3.9"]
)
OPTIONS = st.sampled_from(
    [
        "--budget-mb", "--metric", "--blend", "--precision", "--max-members", "--must-have", "--never-together",
        "--limit", "--prefer", "--tune-share", "--folds", "--confidence", "--time-limit", "--seed", "--workers",
        "--out", "--groups",
    ]
)  # fmt: skip


@QUICK
@given(given=st.lists(st.tuples(OPTIONS, WORDS), max_size=3))
def test_options_of_any_kind(made: Path, tmp_path: Path, given: list[tuple[str, str]]) -> None:
    words = [word for option, value in given if (option, value) != ("--out", ".") for word in (option, value)]
    with chdir(tmp_path):
        pool = str(made / "pool")
        done = CliRunner().invoke(app, ["select", "ensemble", pool, "--workers", "1", "--budget-mb", "9", *words])
    assert done.exit_code in (0, 1, 2), done.output
    assert OWN_FAULT not in done.stderr, done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)
