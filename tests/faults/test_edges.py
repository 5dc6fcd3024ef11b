"""The edges of the command line: whatever is typed and whatever lies in a file, one sentence comes back, and a code.

2 for bad input, 1 for what failed; a trace is shown by nobody but `--debug`. Every row is a fault that once showed one,
or was taken without a word.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import zipfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.selection.files import replace_json
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.cli.problems import OWN_FAULT
from gapsack.sweep.cli.runs import app

VIDEOS, CLASSES = 40, 25
LONG = "x" * 300
MANY_DIGITS = "9" * 5000


def sweep(folder: Path, *words: object) -> Any:
    with chdir(folder):
        return CliRunner().invoke(app, [str(word) for word in words])


def one_sentence(done: Any, code: int) -> str:
    """What a command said on standard error, which is a sentence and no trace."""
    told: str = done.stderr
    assert done.exit_code == code, done.output
    assert "Traceback" not in told
    assert OWN_FAULT not in told
    assert len(told) < 1500, told
    return told


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with predictions, a pool of two models, an ensemble of them and a grid."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    truth = rng.random((VIDEOS, CLASSES)) < 0.15
    ids = np.array([f"v{number:02}" for number in range(VIDEOS)])
    np.savez(folder / "truth.npz", video_ids=ids, labels=truth)
    for name in "ab":
        np.savez(folder / f"{name}.npz", video_ids=ids, scores=np.clip(truth / 2 + rng.random(truth.shape) / 2, 0, 1))
    rows = "".join(f"v{number:02},{number % CLASSES} 0.5\n" for number in range(VIDEOS))
    (folder / "c.csv").write_text(f"VideoId,LabelConfidencePairs\n{rows}")
    words = [word for name in "ab" for word in ("--predictions", f"{name}={name}.npz", "--size", f"{name}=3MiB")]
    done = sweep(folder, "select", "pool", "add", "pool", "--labels", "truth.npz", *words)
    assert done.exit_code == 0, done.output
    members = [{"name": name, "precision": "float32", "weight": 0.5, "size_bytes": 9} for name in "ab"]
    replace_json(folder / "ensemble.json", {"members": members, "pool": "pool", "budget_bytes": 99})
    (folder / "grid.yaml").write_text("name: x\n")
    (folder / "metrics.py").write_text(
        "def raises(scores, labels):\n    return 1 / 0\n"
        "def nothing(scores, labels):\n    return None\n"
        "def text(scores, labels):\n    return 'much'\n"
        "def infinite(scores, labels):\n    return float('inf')\n"
        "not_callable = 3\n"
    )
    (folder / "broken.py").write_text("import sys; sys.exit(3)\n")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(made, tmp_path / "work"))


ADD = "select pool add"
ENSEMBLE = "select ensemble pool --workers 1 --budget-mb"
ONE = f"{ADD} new --labels truth.npz --size m=1MiB --predictions"

TYPED = [
    # (what is typed, exit code, what is told)
    (f"{ENSEMBLE} inf", 2, "expected a budget of at most"),
    (f"{ENSEMBLE} nan", 2, "expected a budget above 0 MB, got nan"),
    (f"{ENSEMBLE} 1e400", 2, "expected a budget of at most"),
    (f"{ENSEMBLE} 9 --metric gap@99999999999", 2, "the k of gap@k must be at most"),
    (f"{ENSEMBLE} 9 --metric gap@{MANY_DIGITS}", 2, "the k of gap@k must be at most"),
    (f"{ENSEMBLE} 9 --metric {LONG}", 2, "metric must be gap@k"),
    (f"{ENSEMBLE} 9 --metric metrics.py:raises", 2, "it raised ZeroDivisionError: division by zero"),
    (f"{ENSEMBLE} 9 --metric metrics.py:nothing", 2, "must return a finite number, higher being better; got None"),
    (f"{ENSEMBLE} 9 --metric metrics.py:text", 2, "higher being better; got 'much'"),
    (f"{ENSEMBLE} 9 --metric metrics.py:infinite", 2, "higher being better; got inf"),
    (f"{ENSEMBLE} 9 --metric metrics.py:not_callable", 2, "expected a function not_callable in metrics.py, got none"),
    (f"{ENSEMBLE} 9 --metric broken.py:f", 2, "expected Python that runs in broken.py, got SystemExit: 3"),
    (f"{ENSEMBLE} 9 --time-limit -1", 2, "expected a time limit of 0 seconds or more, got -1"),
    (f"{ENSEMBLE} 9 --time-limit nan", 2, "expected a time limit of 0 seconds or more, got nan"),
    (f"{ENSEMBLE} 9 --folds 1000", 2, "--folds"),
    (f"{ENSEMBLE} 9 --folds {MANY_DIGITS}", 2, "--folds"),
    (f"{ENSEMBLE} 9 --tune-share nan", 2, "tune_share must be above 0"),
    (f"{ENSEMBLE} 9 --limit latency_ms=nan", 2, "expected a limit as figure=number"),
    (f"{ENSEMBLE} 9 --limit =3", 2, "expected a limit as figure=number"),
    (f"{ENSEMBLE} 9 --out pool", 2, "expected a file to write to, got the folder pool"),
    (f"{ENSEMBLE} 9 --out {LONG}", 2, "expected names of at most"),
    (f"{ENSEMBLE} 9 --out grid.yaml/e.json", 2, "grid.yaml is no folder"),
    (f"{ENSEMBLE} 9 --out - --json", 2, "expected --json or an output on standard output, got both"),
    ("select frontier pool --workers 1 --out - --plot /dev/stdout", 2, "expected one output on standard output"),
    ("select frontier pool --workers 1 --plot pool", 2, "expected a file to write to, got the folder pool"),
    ("select build --out grid.yaml", 2, "expected a folder to write to, got grid.yaml, which is none"),
    ("select build --out -", 2, "expected a folder to write to, got -"),
    ("select build --out /dev/null", 2, "expected a folder to write to, got /dev/null"),
    (f"select predict {LONG}", 2, "File name too long"),
    ("select predict grid.yaml/graph", 2, "expected a built graph"),
    (f"select pareto {LONG}", 2, "File name too long"),
    ("select pareto grid.yaml", 2, "expected a candidate pool"),
    ("select pareto pool --precision int3", 2, "int3"),
    (f"{ONE} m=a.npz --size n=1e400", 2, "expected a size of at most"),
    (f"{ADD} new --labels truth.npz --predictions m=a.npz --size m={MANY_DIGITS}", 2, "expected a size of at most"),
    (f"{ADD} new --labels truth.npz --predictions m=a.npz --size m={LONG}", 2, "expected a size such as"),
    (f"{ONE} m=nothing.npz", 2, "nothing.npz: expected an .npz archive or a .csv file; it is not there"),
    (f"{ONE} m=pool", 2, "pool: expected a file that can be read, got: Is a directory"),
    (f"{ONE} m={LONG}", 2, "File name too long"),
    (f"{ONE} m=grid.yaml/a.npz", 2, "Not a directory"),
    (f"{ONE} {LONG}=a.npz", 2, "must have at most 160 characters; got 300"),
    (f"{ONE} ../m=a.npz", 2, "a candidate's name must start"),
    (f"{ADD} grid.yaml --labels truth.npz --predictions m=a.npz --size m=1MiB", 2, "expected a folder to write to"),
    (f"{ADD} grid.yaml/pool --labels truth.npz --predictions m=a.npz --size m=1MiB", 2, "grid.yaml is no folder"),
    (f"{ADD} {LONG} --labels truth.npz --predictions m=a.npz --size m=1MiB", 2, "expected names of at most"),
    (f"{ADD} new --labels truth.npz --classes {2**40} --predictions m=a.npz --size m=1MiB", 2, f"got {2**40}"),
    ("select pool join pool", 2, "--out"),
    ("select pool join pool pool --out new", 2, "expected each pool once"),
    (f"plan {LONG}", 2, "File name too long"),
    ("plan pool", 2, "Is a directory"),
    ("plan grid.yaml/grid.yaml", 2, "Not a directory"),
    (f"status {LONG}", 2, "File name too long"),
    ("synth grid.yaml/data --train-files 1 --validate-files 1 --videos 1", 2, "Not a directory"),
]


@pytest.mark.parametrize(("typed", "code", "told"), TYPED, ids=[row[0][:70] for row in TYPED])
def test_what_is_typed(typed: str, code: int, told: str, made: Path) -> None:
    before = listing(made)
    words = " ".join(one_sentence(sweep(made, *typed.split()), code).replace("│", " ").split())
    assert told in words
    assert listing(made) == before


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix not in (".pyc",))


def save(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


def header(shape: str, dtype: str = "<f4") -> bytes:
    """The start of a .npy of that shape, as numpy writes it, with no value after it."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def zipped(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def encrypted(path: Path) -> None:
    """The flag that says so, set on a whole archive: in both of the places that zip files have for it."""
    content = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := content.find(magic, start + 1)) >= 0:
            content[start + place] |= 1
    path.write_bytes(bytes(content))


IDS = np.array([f"v{number:02}" for number in range(VIDEOS)])
SCORES = np.full((VIDEOS, CLASSES), 0.5, np.float32)


def _npy_named_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, SCORES)


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    # what lies in the file: (its name, how it is made, what is told)
    "a .npy named .npz": ("x.npz", _npy_named_npz, "got a single array (.npy)"),
    "a .npy": (
        "x.npy",
        _npy_named_npz,
        "expected an .npz archive, a .csv or a .parquet file, got a single array (.npy)",
    ),
    "a pickle": ("x.pkl", lambda p: p.write_bytes(b"\x80\x04}\x94."), "got a pickle, which is never loaded"),
    "a pickle told as a CSV": ("x.csv", lambda p: p.write_bytes(b"\x80\x04}\x94."), "got a pickle"),
    "an HDF5 file": ("x.h5", lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n"), "got an HDF5 file"),
    "JSON": ("x.json", lambda p: p.write_text("{}"), "expected an .npz archive, a .csv or a .parquet file, got .json"),
    "nothing": ("x.npz", lambda p: p.write_bytes(b""), "got an empty file"),
    "half an archive": (
        "x.npz",
        lambda p: (save(p, video_ids=IDS, scores=SCORES), p.write_bytes(p.read_bytes()[:3000])),
        "got one whose end is missing or damaged",
    ),
    "an encrypted archive": (
        "x.npz",
        lambda p: (save(p, video_ids=IDS, scores=SCORES), encrypted(p)),
        "expected the plain array video_ids; got one that is encrypted",
    ),
    "a header that asks for 4 TiB": (
        "x.npz",
        lambda p: zipped(p, video_ids=header(f"({2**40},)"), scores=b""),
        f"got a header that says float32 ({2**40},), {2**42} bytes, before 0 bytes",
    ),
    "a header that does not parse": ("x.npz", lambda p: zipped(p, video_ids=header("(")), "does not parse"),
    "Python objects": (
        "x.npz",
        lambda p: np.savez(p, video_ids=np.array([{}], object), allow_pickle=True),
        "got Python objects, which are never loaded",
    ),
    "ids that are no UTF-8": (
        "x.npz",
        lambda p: save(p, video_ids=np.array([b"\xff%d" % n for n in range(VIDEOS)]), scores=SCORES),
        "must be text, or bytes of UTF-8",
    ),
    "one id for all": ("x.npz", lambda p: save(p, video_ids=np.array("v"), scores=SCORES), "shape [items, classes]"),
    "no class": ("x.npz", lambda p: save(p, video_ids=IDS, scores=SCORES[:, :0]), "classes, got 0"),
    "complex scores": ("x.npz", lambda p: save(p, video_ids=IDS, scores=SCORES + 0j), "got complex numbers"),
    "true and false": ("x.npz", lambda p: save(p, video_ids=IDS, scores=SCORES > 0), "got truth values"),
    "scores as text": ("x.npz", lambda p: save(p, video_ids=IDS, scores=SCORES.astype(str)), "got text"),
    "a class number beyond 64 bits": (
        "x.csv",
        lambda p: p.write_text(f"VideoId,LabelConfidencePairs\nv00,{2**70} 0.5\n"),
        f"got '{2**70}' in row 2",
    ),
    "a class number of 5,000 digits": (
        "x.csv",
        lambda p: p.write_text(f"VideoId,LabelConfidencePairs\nv00,{MANY_DIGITS} 0.5\n"),
        "expected whole class numbers below 25, got '999",
    ),
    "a class number with a fraction": (
        "x.csv",
        lambda p: p.write_text("VideoId,LabelConfidencePairs\nv00,3.9 0.5\n"),
        "expected whole class numbers below 25, got '3.9' in row 2",
    ),
    "a negative class": (
        "x.csv",
        lambda p: p.write_text("VideoId,LabelConfidencePairs\nv00,7 0.5 -3 0.4\n"),
        "expected classes from 0 to 24, got -3 in row 2",
    ),
    "a row that is too long": (
        "x.csv",
        lambda p: p.write_text("VideoId,LabelConfidencePairs\nv00,1 0.5,2 0.4\n"),
        "whose rows have as many values as its head",
    ),
    "a CSV of no UTF-8": (
        "x.csv",
        lambda p: p.write_bytes(b"VideoId,LabelConfidencePairs\n\xff,1 0.5\n"),
        "expected a CSV of UTF-8 text",
    ),
    "an empty CSV": ("x.csv", lambda p: p.write_bytes(b""), "got an empty file"),
    "a packed CSV that is cut": ("x.csv.gz", lambda p: p.write_bytes(b"\x1f\x8b\x08\x00"), "expected a CSV file"),
}


@pytest.mark.parametrize("what", FILES)
def test_what_lies_in_a_file_of_predictions(what: str, folder: Path) -> None:
    name, make, told = FILES[what]
    make(folder / name)
    before = listing(folder)
    sentence = one_sentence(sweep(folder, *f"{ONE} m={name}".split()), 2)
    assert name in sentence
    assert told in sentence
    assert listing(folder) == before


LABELS: dict[str, tuple[dict[str, Any], str]] = {
    "class numbers beyond 32 bits": ({"labels": np.full(VIDEOS, 2**32 + 3)}, f"got {2**32 + 3}"),
    "fractions": ({"labels": np.full(VIDEOS, 3.9)}, "whole class numbers [items], got float64"),
    "2^40 classes": (
        {"indptr": np.zeros(VIDEOS + 1, int), "indices": np.zeros(0, int), "class_count": 2**40},
        f"class_count must be a whole number from 1 to {2**31 - 1}; got array({2**40})",
    ),
    "3.9 classes": (
        {"indptr": np.zeros(VIDEOS + 1, int), "indices": np.zeros(0, int), "class_count": 3.9},
        "class_count must be a whole number",
    ),
}


@pytest.mark.parametrize("what", LABELS)
def test_what_lies_in_a_file_of_labels(what: str, folder: Path) -> None:
    arrays, told = LABELS[what]
    save(folder / "y.npz", video_ids=IDS, **arrays)
    words = f"{ADD} new --labels y.npz --size m=1MiB --predictions m=a.npz"
    more = ["--classes", "25"] if "labels" in arrays else []
    assert told in one_sentence(sweep(folder, *words.split(), *more), 2)


POOL: dict[str, tuple[str, Any, str]] = {
    # a file of the pool: (its name, what is put there, what is told)
    "two sizes under one key": ("a.json", b'{"name": "a", "size_bytes": {"x": 1, "x": 2}}', "the key 'x' twice"),
    "sizes as text": ("a.json", {"name": "a", "size_bytes": {"x": "1"}}, "got '1'"),
    "a size beyond any disk": ("a.json", {"name": "a", "size_bytes": {"x": 2**70}}, f"got {2**70}"),
    "a precision that leaves the folder": ("a.json", {"name": "a", "size_bytes": {"../x": 1}}, "got '../x'"),
    "metrics as a list": ("a.json", {"name": "a", "size_bytes": {"x": 1}, "metrics": [1]}, "metrics must be a JSON"),
    "a number of 5,000 digits": ("a.json", f'{{"name": {MANY_DIGITS}}}'.encode(), "expected JSON"),
    "nesting without end": ("a.json", b"[" * 100_000, "nested too deep"),
    "bytes that are no text": ("a.json", b"\xff\xfe", "expected JSON"),
    "nothing": ("a.npz", b"", "got an empty file"),
    "no labels": ("labels.npz", b"PK\x03\x04", "labels.npz: expected an .npz archive"),
}


DAMAGED = {
    "two sizes under one key",
    "a number of 5,000 digits",
    "nesting without end",
    "bytes that are no text",
    "nothing",
}
"""Those that are no file that we ever wrote."""


@pytest.mark.parametrize("what", POOL)
@pytest.mark.parametrize("command", ["select pareto pool", f"{ADD} pool --predictions m=a.npz --size m=1MiB"])
def test_what_lies_in_a_pool(what: str, command: str, folder: Path) -> None:
    name, content, told = POOL[what]
    (folder / "pool" / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    if what in DAMAGED and "pareto" in command:  # who only looks goes on without it
        result = sweep(folder, *command.split())
        assert result.exit_code == 0
        assert "a is left out: " in result.stderr
        assert f"pool/{name}" in result.stderr
        assert told in result.stderr
        return
    sentence = one_sentence(sweep(folder, *command.split()), 2)
    assert f"pool/{name}" in sentence
    assert told in sentence


BY_HAND: dict[str, tuple[Any, str]] = {
    "weight x": ([{"name": "a", "precision": "float32", "weight": "x"}], "members.0.weight is 'x'"),
    "a number as member": ([1], "members.0 is 1"),
    "no weight": ([{"name": "a", "precision": "float32"}], "members.0.weight is not there"),
    "weight -1": ([{"name": "a", "precision": "float32", "weight": -1}], "that of a is -1"),
    "weights that sum to 2": ([{"name": n, "precision": "float32", "weight": 1} for n in "ab"], "these sum to 2.0"),
    "a member twice": ([{"name": "a", "precision": "float32", "weight": 0.5}] * 2, "a is there again"),
    "a precision never searched": (
        [{"name": "a", "precision": "int4", "weight": 1}],
        "expected a in a precision that it has (float32), got int4",
    ),
    "a stranger": ([{"name": "c", "precision": "float32", "weight": 1}], "got no c.json there"),
    "a name that leaves the pool": (
        [{"name": "../pool/a", "precision": "float32", "weight": 1}],
        "a candidate's name must start",
    ),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_an_ensemble_by_hand_is_refused_before_anything_is_built(what: str, folder: Path) -> None:
    members, told = BY_HAND[what]
    for name in "ab":
        file = folder / "pool" / f"{name}.json"
        task = {"name": "youtube8m", "level": "video", "classes": CLASSES, "rgb": 8, "audio": 4}
        origin = {"saved_models": {"float32": "nowhere"}, "sample_frames": 1, "task": task}
        replace_json(file, json.loads(file.read_text()) | {"origin": origin})
    replace_json(folder / "ensemble.json", {"members": members, "pool": "pool", "budget_bytes": 2**20})
    assert told in one_sentence(sweep(folder, "select", "build", "ensemble.json", "--out", "graph"), 2)
    assert not (folder / "graph").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = listing(folder), os.fsync
    words = [w for n in ("m", "n") for w in ("--predictions", f"{n}={'ab'[n == 'n']}.npz", "--size", f"{n}=1MiB")]
    cases = (("new", ["--labels", "truth.npz"]), ("pool", []), ("pool", ["--labels", "truth.npz"]))
    for pool, more in cases:
        full_at = 0
        while True:
            calls = iter(range(1000))

            def fsync(file: int, calls: Any = calls, full_at: int = full_at) -> None:
                if next(calls) == full_at:
                    raise OSError(28, os.strerror(28))
                real(file)

            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fsync)
                done = sweep(folder, *ADD.split(), pool, *more, *words)
            if done.exit_code == 0:
                break
            assert "No space left on device" in one_sentence(done, 1)
            assert listing(folder) == before, f"at call {full_at}"
            full_at += 1
        assert full_at > 4, "nothing was tried"
        again = sweep(folder, *ADD.split(), pool, "--labels", "truth.npz", *words)
        assert again.exit_code == 0, "the same command, repeated"
        assert {"m", "n"} <= {each.name for each in CandidatePool.read(folder / pool).candidates}
        shutil.rmtree(folder / "new", ignore_errors=True)
        for file in [*(folder / "pool").glob("m.*"), *(folder / "pool").glob("n.*")]:
            file.unlink()


def test_other_labels_than_the_pools_are_refused(folder: Path) -> None:
    np.savez(folder / "other.npz", video_ids=IDS, labels=np.zeros((VIDEOS, CLASSES), bool))
    words = f"{ADD} pool --labels other.npz --predictions m=a.npz --size m=1MiB"
    assert "expected the labels of the pool" in one_sentence(sweep(folder, *words.split()), 2)


def test_a_file_of_ones_own_is_not_written_over(folder: Path) -> None:
    words = f"{ADD} . --labels truth.npz --predictions a=a.npz --size a=1MiB"
    before = (folder / "a.npz").read_bytes()
    assert "expected the name a.npz to be free" in one_sentence(sweep(folder, *words.split()), 2)
    assert (folder / "a.npz").read_bytes() == before


def test_an_output_on_standard_output_is_all_there_is_on_it(folder: Path) -> None:
    for out in ("-", "/dev/stdout"):
        done = sweep(folder, *f"{ENSEMBLE} 9 --out {out}".split())
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["members"]
        assert "Ensemble:" in done.stderr
    assert not (folder / "-").exists()
    assert sweep(folder, *f"{ENSEMBLE} 9 --out ./-".split()).exit_code == 0
    assert json.loads((folder / "-").read_text())["members"]


def test_a_link_stays_and_what_it_leads_to_is_written(folder: Path) -> None:
    (folder / "real.json").write_text("old")
    (folder / "link.json").symlink_to("real.json")
    (folder / "new.json").symlink_to("deep/new.json")
    for name in ("link.json", "new.json"):
        assert sweep(folder, *f"{ENSEMBLE} 9 --out {name}".split()).exit_code == 0
        assert (folder / name).is_symlink()
        assert json.loads((folder / name).read_text())["members"]
    (folder / "circle").symlink_to("circle")
    assert "lead in a circle" in one_sentence(sweep(folder, *f"{ENSEMBLE} 9 --out circle".split()), 2)


def test_a_pipe_is_written_to_and_stays_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((folder / "pipe").read_text()), daemon=True)
    reader.start()
    assert sweep(folder, *f"{ENSEMBLE} 9 --out pipe".split()).exit_code == 0
    reader.join(20)
    assert json.loads(read[0])["members"]
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


def test_a_null_device_stays_a_device(folder: Path) -> None:
    before = Path("/dev/null").stat()
    assert sweep(folder, *f"{ENSEMBLE} 9 --out /dev/null".split()).exit_code == 0
    after = Path("/dev/null").stat()
    assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)


def test_the_trace_is_shown_when_it_is_asked_for(folder: Path) -> None:
    done = sweep(folder, *f"{ENSEMBLE} inf --debug".split())
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert "in bytes_of_budget" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: expected a budget of at most")
