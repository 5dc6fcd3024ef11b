"""Teachers, spoilt in every way: predictions that are damaged, changed, incomplete, of others, or made while killed.

What is wrong with a teacher is one sentence before anything is trained; what is wrong with a part of a pass costs that
part. Each table is a kind of fault: where it strikes, and what is told.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.sweep.cli.runs import app
from gapsack.sweep.data.dataset import dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import Teacher
from gapsack.sweep.teaching.teach import Lesson
from gapsack.sweep.teaching.teacher_folder import TeacherFolder
from gapsack.sweep.teaching.teachers import GraphTeacher, PoolTeacher
from gapsack.sweep.teaching.tutor import Tutor, with_digest

CLASSES = 24
GRID = """
name: students
data: {level: video, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"], holdout: {count: 1}, classes: 24}
model: {family: logistic}
search: {points: [{}]}
training: {steps: 10, teacher: {predictions: teacher}}
"""


class Answers:
    """A graph that says of each video what a function makes of its number in the batch."""

    def __init__(self, probability: Callable[[int], float] = lambda row: row % 7 / 7) -> None:
        self.probability = probability

    def predict(self, inputs: dict[str, Any]) -> Any:
        rows = len(next(iter(inputs.values())))
        values = np.array([[self.probability(row * CLASSES + c) for c in range(CLASSES)] for row in range(rows)])
        return type("Output", (), {"probabilities": values.astype(np.float32)})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a grid, its data, and a teacher's predictions of them; and a pool that could teach as well."""
    folder = tmp_path_factory.mktemp("teachers") / "place"
    sizes = {"train_files": 2, "validate_files": 2, "videos_per_file": 5, "min_frames": 1, "max_frames": 1}
    write_synth(folder, level="video", classes=CLASSES, seed=0, **sizes)
    (folder / "grid.yaml").write_text(GRID)
    (folder / "graph").write_bytes(b"weights")
    lesson(folder, "teacher").give(lambda _: None)
    ids = np.char.decode(TeacherFolder(folder / "teacher").read().ids, "utf-8")
    scores = np.random.default_rng(0).random((len(ids), CLASSES))
    truth = Labels.from_dense(ids, scores > 0.9)
    candidates = [Candidate(name, {"float32": 9}, Predictions.from_dense(ids, scores**power)) for name, power in
                  (("a", 1), ("b", 2))]  # fmt: skip
    CandidatePool(truth, candidates).write(folder / "pool")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    monkeypatch.delenv("GAPSACK_DATA", raising=False)
    return tmp_path / "place"


def training_files(folder: Path) -> tuple[str, ...]:
    return load_grid(folder / "grid.yaml").data.files().train


def lesson(folder: Path, out: str, answers: Any = None, **more: Any) -> Lesson:
    grid = load_grid(folder / "grid.yaml")
    teacher = GraphTeacher(folder / "graph", lambda _: answers or Answers())
    files = more.pop("files", training_files(folder))
    dataset = dataset_of(grid.data.task.to_dict())
    return Lesson(teacher, files, dataset, TeacherFolder(folder / out), **{"top_k": 5, **more})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path) -> str:
    """What `sweep plan`, a run that begins and a trial that begins say of a teacher: the same sentence."""
    grid = load_grid(folder / "grid.yaml")
    with pytest.raises(InputError) as begins:
        with_digest(grid, training_files(folder))
    done = CliRunner().invoke(app, ["plan", "grid.yaml"])
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    return str(begins.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def written(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def stored(array: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, array, allow_pickle=True)


def foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


def archived(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


ARRAY_DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": cut,
    "a byte flipped": flipped,
    "empty": written(b""),
    "text": written(b"VideoId,LabelConfidencePairs\n"),
    "zeros": written(bytes(4096)),
    "gone": Path.unlink,
    "a folder": foldered,
    "an archive": archived,
    "objects": stored(np.array([{}, None], dtype=object)),
    "another shape": stored(np.zeros((3, 3), np.float32)),
    "one value": stored(np.float16(0.5)),
    "another type": stored(np.zeros(15, "M8[s]")),
    "column by column": stored(np.asfortranarray(np.zeros((15, 5), np.float16))),
}


@pytest.mark.parametrize("damage", ARRAY_DAMAGES)
@pytest.mark.parametrize("name", ["ids", "classes", "scores", "rest"])
def test_damaged_predictions_are_one_sentence_before_the_first_trial(folder: Path, name: str, damage: str) -> None:
    ARRAY_DAMAGES[damage](folder / "teacher" / f"{name}.npy")
    assert str(folder / "teacher") in refused(folder)
    with pytest.raises(DataError, match="sweep teach"):
        Tutor(Teacher(predictions=str(folder / "teacher")), CLASSES)


def changed(**values: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


MANIFEST_DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut": cut,
    "empty": written(b""),
    "no object": written(b"[]"),
    "an empty object": written(b"{}"),
    "zeros": written(bytes(100)),
    "deep": written(b"[" * 100_000),
    "gone": Path.unlink,
    "a folder": foldered,
    "another format": changed(format=2),
    "a text for a number": changed(top_k="many"),
    "fewer classes": changed(top_k=3),
    "a negative number": changed(class_count=-1),
    "another key": changed(more=1),
    "files as a text": changed(files="train"),
    "other files": changed(files=[]),
    "another digest": changed(digest="0" * 64),
}


@pytest.mark.parametrize("damage", MANIFEST_DAMAGES)
def test_so_is_a_damaged_manifest(folder: Path, damage: str) -> None:
    MANIFEST_DAMAGES[damage](folder / "teacher" / "teacher.json")
    assert str(folder / "teacher") in refused(folder)


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    # What differs from what the teacher has seen, and what is told.
    "a file that it has not seen": (lambda f: shutil.copy(f / "train0000.tfrecord", f / "train0009.tfrecord"),
                                    "which lacks 1, such as"),
    "a file that has grown": (lambda f: (f / "train0000.tfrecord").write_bytes(
        (f / "train0000.tfrecord").read_bytes() * 2), "knows another version"),
    "classes of another vocabulary": (lambda f: (f / "grid.yaml").write_text(
        GRID.replace("classes: 24", "classes: 25")), ""),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_a_teacher_of_other_data_is_refused(folder: Path, what: str) -> None:
    change, told = OTHERS[what]
    change(folder)
    done = CliRunner().invoke(app, ["plan", "grid.yaml"])
    assert done.exit_code == 2
    assert (told or "expected a teacher of 25 classes, got one of 24") in done.stderr


def test_videos_that_it_has_not_seen_are_named(folder: Path) -> None:
    """Files of the same names and sizes may hold other videos."""
    grid = load_grid(folder / "grid.yaml")
    path = folder / "train0000.tfrecord"
    with grid.data.dataset.raw([str(path)], batch_size=9, faults=Faults(0)) as batches:
        (batch,) = batches
    batch.video_ids[2] = "new"
    with pytest.raises(DataError, match="got none of new"):
        Tutor(Teacher(predictions=str(folder / "teacher")), CLASSES).taught(batch)


def test_predictions_that_were_made_again_are_not_those_that_the_run_began_with(folder: Path) -> None:
    known = with_digest(load_grid(folder / "grid.yaml"), training_files(folder)).training.teacher
    assert known is not None
    shutil.rmtree(folder / "teacher")
    lesson(folder, "teacher", Answers(lambda _: 0.25)).give(lambda _: None)
    with pytest.raises(DataError, match="that this run began with, got others"):
        Tutor(known, CLASSES)


def test_an_array_that_is_cut_while_a_trial_reads_it_is_a_sentence(folder: Path) -> None:
    """And not the process's end by SIGBUS."""
    code = """
import os, sys
import numpy as np
from types import SimpleNamespace
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.schema import Teacher
from gapsack.sweep.teaching.tutor import Tutor

tutor = Tutor(Teacher(predictions="teacher"), 24)
ids = np.char.decode(np.load("teacher/ids.npy"), "utf-8")
os.truncate("teacher/scores.npy", 0)
try:
    tutor.taught(SimpleNamespace(video_ids=ids, inputs={}, labels=None))
except DataError as error:
    sys.exit(0 if "scores.npy was truncated while it was read" in str(error) else str(error))
sys.exit("nothing was told")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("value", "told"), [(np.nan, "got nan for"), (np.inf, "got inf"), (-0.5, "got -0.5"), (1.5, "got 1.5")]
)
def test_what_is_no_probability_is_refused_with_its_video(folder: Path, value: float, told: str) -> None:
    wrong = Answers(lambda place: value if place == CLASSES + 3 else 0.5)
    with pytest.raises(DataError, match="expected probabilities from 0 to 1 of a teacher") as refusal:
        lesson(folder, "other", wrong).give(lambda _: None)
    assert told in str(refusal.value)
    assert not (folder / "other" / "teacher.json").exists()


# A pass.


def begun(folder: Path, **more: Any) -> Path:
    """A pass that was stopped in its second file; where its parts are."""
    seen: list[int] = []

    def stop(count: int) -> None:
        seen.append(count)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lesson(folder, "again", **more).give(stop)
    return folder / "again" / "parts"


@pytest.mark.parametrize("damage", ["cut", "a byte flipped", "empty", "text", "zeros", "gone", "an archive", "objects"])
def test_a_damaged_part_is_done_again(folder: Path, damage: str) -> None:
    parts = begun(folder)
    ARRAY_DAMAGES[damage](parts / "train0000.tfrecord.npz")
    lesson(folder, "again").give(lambda _: None)
    assert contents(folder / "again") == contents(folder / "teacher")


@pytest.mark.parametrize("damage", ["cut", "empty", "no object", "an empty object", "zeros", "a text for a number"])
def test_a_pass_whose_note_is_damaged_says_what_to_do(folder: Path, damage: str) -> None:
    parts = begun(folder)
    MANIFEST_DAMAGES[damage](parts / "begun.json")
    with pytest.raises(InputError, match=r"begun\.json.*delete the folder of parts"):
        lesson(folder, "again").give(lambda _: None)
    shutil.rmtree(parts)
    lesson(folder, "again").give(lambda _: None)
    assert contents(folder / "again") == contents(folder / "teacher")


def test_a_file_that_was_replaced_between_two_passes_is_taught_again(folder: Path) -> None:
    begun(folder)
    shutil.copy(folder / "validate0000.tfrecord", folder / "train0000.tfrecord")
    files = tuple(str(folder / f"train000{number}.tfrecord") for number in (0, 1))
    manifest = lesson(folder, "again", files=files).give(lambda _: None)
    sizes = {file.name: file.size_bytes for file in manifest.files}
    assert sizes["train0000.tfrecord"] == (folder / "validate0000.tfrecord").stat().st_size
    ids = TeacherFolder(folder / "again").read().ids.tolist()
    grid = load_grid(folder / "grid.yaml")
    with grid.data.dataset.raw([files[0]], batch_size=9, faults=Faults(0)) as batches:
        (batch,) = batches
    assert {each.encode() for each in batch.video_ids.tolist()} <= set(ids)


def test_a_file_that_changes_while_it_is_taught_is_told_and_taught_again(folder: Path) -> None:
    path = Path(training_files(folder)[0])

    def touch(_count: int) -> None:
        about = path.stat()
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1_000_000_000))

    with pytest.raises(DataError, match="that stay as they are while they are taught, got another"):
        lesson(folder, "again").give(touch)
    done: list[int] = []
    lesson(folder, "again").give(done.append)
    assert done == [5], "the other files' parts were kept"
    assert contents(folder / "again") == contents(folder / "teacher")


def test_two_processes_do_not_make_one_folder(folder: Path) -> None:
    first = lesson(folder, "again")

    def second(_count: int) -> None:
        code = "import sys; from gapsack.sweep.teaching.teacher_folder import TeacherFolder; from pathlib import Path\n"
        code += "with TeacherFolder(Path('again')).held(): pass"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "expected a folder that nobody else is making, but another process teaches again" in done.stderr

    first.give(second)
    assert contents(folder / "again") == contents(folder / "teacher")


def test_an_empty_file_is_told_and_nothing_but_empty_files_is_refused(folder: Path) -> None:
    (folder / "none.tfrecord").touch()
    told: list[str] = []
    with pytest.raises(DataError, match="expected at least one example in the 1 data files, got none"):
        lesson(folder, "none", files=(str(folder / "none.tfrecord"),)).give(lambda _: None, told.append)
    files = (*training_files(folder), str(folder / "none.tfrecord"))
    lesson(folder, "again", files=files).give(lambda _: None, told.append)
    assert told == ["none.tfrecord is empty."] * 2
    assert contents(folder / "again")["scores.npy"] == contents(folder / "teacher")["scores.npy"]


def test_a_file_whose_end_is_damaged_is_told(folder: Path) -> None:
    path = Path(training_files(folder)[0])
    path.write_bytes(path.read_bytes()[:-9])
    told: list[str] = []
    with pytest.raises(DataError, match=path.name):
        lesson(folder, "again").give(lambda _: None, told.append)
    lesson(folder, "again", max_bad_share=0.5).give(lambda _: None, told.append)
    (sentence,) = told
    assert sentence.startswith(f"Of {path.name} not all could be read: ")


def test_what_a_kill_left_behind_when_all_was_done_goes(folder: Path) -> None:
    (folder / "teacher" / "parts").mkdir()
    (folder / "teacher" / "parts" / "train0000.tfrecord.npz").write_bytes(b"part")
    lesson(folder, "teacher").give(lambda _: None)
    assert not (folder / "teacher" / "parts").exists()


@pytest.mark.long
def test_a_pass_killed_at_any_moment_goes_on_to_the_same_bytes(folder: Path) -> None:
    """Before each of its syncs to the disk; see `killing.py`."""
    shutil.rmtree(folder / "teacher")
    words = "teach pool train0000.tfrecord train0001.tfrecord --candidate a --grid grid.yaml --top-k 5"
    script = str(Path(__file__).with_name("killing.py"))
    done = subprocess.run([sys.executable, script, *words.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) > 10
    whole = kills[-1]["files"]
    assert "teacher/teacher.json" in whole
    for number, kill in enumerate(kills):
        assert kill["again"] == 0, (number, done.stderr)
        assert kill["hidden"] == [], number
        assert kill["files"] == whole, number


# Pools that teach.

POOLS: dict[str, tuple[str, str]] = {
    "two candidates, none named": ("teach pool --grid grid.yaml", "expected which of the 2 candidates"),
    "no such candidate": ("teach pool --grid grid.yaml --candidate c", "got 'c'"),
    "no such precision": ("teach pool --grid grid.yaml --candidate a@int8", "a precision that it has (float32)"),
    "one twice": ("teach pool --grid grid.yaml --candidate a --candidate a", "once, got a, a"),
    "nobody says how to read": ("teach pool train0000.tfrecord --candidate a", "the students' grid (--grid)"),
    "no files": ("teach pool --candidate a", "expected training files, or the students' grid"),
    "videos that it lacks": ("teach pool validate0000.tfrecord validate0001.tfrecord --candidate a --grid grid.yaml",
                             "got none of"),
    "no pool": ("teach nowhere --candidate a --grid grid.yaml", "nowhere"),
    "an ensemble of logits": ("teach logits.json --grid grid.yaml", "which blends by logit"),
    "an ensemble that is none": ("teach broken.json --grid grid.yaml", "broken.json"),
    "candidates of an ensemble": ("teach logits.json --candidate a --grid grid.yaml", "of a pool"),
}  # fmt: skip


@pytest.mark.parametrize("what", POOLS)
def test_a_pool_that_cannot_teach_is_one_sentence(folder: Path, what: str) -> None:
    members = [{"name": "a", "precision": "float32", "weight": 1.0}]
    (folder / "logits.json").write_text(json.dumps({"members": members, "budget_bytes": 99, "blend": "logit"}))
    (folder / "broken.json").write_text("{")
    words, told = POOLS[what]
    done = CliRunner().invoke(app, [*words.split(), "--out", "new"])
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (folder / "new" / "teacher.json").exists()


def test_a_pool_of_another_vocabulary_is_refused(folder: Path) -> None:
    (folder / "grid.yaml").write_text(GRID.replace("classes: 24", "classes: 30"))
    done = CliRunner().invoke(app, ["teach", "pool", "--grid", "grid.yaml", "--candidate", "a", "--out", "new"])
    assert (done.exit_code, "of the students' 30 classes, got one of 24" in done.stderr) == (2, True), done.stderr


def test_lists_that_changed_are_another_teacher(folder: Path) -> None:
    words = ["teach", "pool", "--grid", "grid.yaml", "--candidate", "a", "--out", "new"]
    assert CliRunner().invoke(app, words).exit_code == 0
    before = PoolTeacher.of_pool(folder / "pool", ["a"]).digest
    shutil.copy(folder / "pool" / "b.npz", folder / "pool" / "a.npz")
    assert PoolTeacher.of_pool(folder / "pool", ["a"]).digest != before
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "which holds 15 examples of another one" in done.stderr
