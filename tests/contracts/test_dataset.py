"""What every data set must do, run over YouTube-8M files of both levels and over arrays of every kind of labels.

For a data set of another project, import `DatasetContract` and `DatasetCase` from this file (it stands alone, beside no
conftest), and give it two or more small files of some thirty examples:

    class TestMyDataset(DatasetContract):
        @pytest.fixture(scope="class")
        @classmethod
        def case(cls, tmp_path_factory) -> DatasetCase:
            files, damage = write_my_files(tmp_path_factory.mktemp("data"))
            return DatasetCase(MyTask(classes=5), files, damage)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from gapsack.models.tasks import Input, Task, View, names
from gapsack.models.tasks.dense import DenseTask
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.sweep.data.dataset import Dataset, Examples, dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.parts import files_of, part_of, split_items
from gapsack.sweep.data.synth.write import write_synth

BATCH = 4
PLACES = 12
SEED = 5
VIEWS = (View(PLACES), View(PLACES, whole=True))


@dataclass(frozen=True)
class DatasetCase:
    """Small files, all of one folder.

    Attributes:
        task: Of which they are; it names the data set.
        files: At least two, of some thirty examples together.
        damage: Makes one example of such files faulty, in place, and nothing else; returns its id.
    """

    task: Task
    files: tuple[str, ...]
    damage: Callable[[Sequence[str]], str]

    @property
    def dataset(self) -> Dataset:
        return dataset_of(self.task.to_dict())

    def copied(self, folder: Path) -> tuple[str, ...]:
        """The same files in another folder, to be damaged."""
        shutil.copytree(Path(files_of(self.files)[0]).parent, folder)
        return tuple(str(folder / Path(name).name) for name in self.files)


class DatasetContract:
    """The suite; a subclass has a fixture `case`, of the scope "class"."""

    def test_training_is_the_same_again(self, case: DatasetCase) -> None:
        for view in VIEWS:
            assert_same(training(case, 12, view=view), training(case, 12, view=view))

    def test_another_seed_is_another_order(self, case: DatasetCase) -> None:
        first, second = (ids(training(case, 5, seed=seed)) for seed in (SEED, SEED + 1))
        assert first.tolist() != second.tolist()

    def test_the_order_is_that_of_the_files_names_wherever_they_lie(self, case: DatasetCase, tmp_path: Path) -> None:
        assert_same(training(case, 12), training(case, 12, files=case.copied(tmp_path / "moved")))

    def test_an_epoch_has_every_example_once_and_the_next_another_order(self, case: DatasetCase) -> None:
        known = ids(evaluation(case)).tolist()
        drawn = ids(training(case, 2 * len(known), batch_size=1)).tolist()
        first, second = drawn[: len(known)], drawn[len(known) :]
        assert sorted(first) == sorted(second) == sorted(known)
        assert first != second
        assert first != known

    def test_every_training_batch_is_full(self, case: DatasetCase) -> None:
        for batch_size in (1, BATCH, len(ids(evaluation(case))) + 3):
            assert {len(batch.video_ids) for batch in training(case, 4, batch_size=batch_size)} == {batch_size}

    @pytest.mark.parametrize("view", VIEWS, ids=str)
    def test_training_goes_on_to_the_bit_from_any_batch(self, case: DatasetCase, view: View) -> None:
        epochs = 2 * len(ids(evaluation(case))) // BATCH + 3  # beyond the second one's beginning
        whole, faults = undisturbed(case, epochs, view)
        for place, batch in enumerate(whole[:-1]):
            kept = json.loads(json.dumps(batch.resume))
            again = Faults(0.0)
            rest = training(case, min(3, epochs - place - 1), view=view, resume=kept, faults=again)
            assert_same(rest, whole[place + 1 : place + 4])
            if place == epochs - 2:
                assert again.state() == faults.state()

    def test_training_does_not_go_on_with_something_else(self, case: DatasetCase) -> None:
        resume = training(case, 2)[-1].resume
        others: tuple[dict[str, Any], ...] = ({"seed": SEED + 1}, {"batch_size": BATCH + 1}, {"files": case.files[1:]})
        for other in others:
            with pytest.raises(InputError, match="resumes"):
                training(case, 1, resume=resume, **other)

    @pytest.mark.parametrize("view", VIEWS, ids=str)
    def test_evaluation_is_in_a_fixed_order_whatever_the_batches(self, case: DatasetCase, view: View) -> None:
        known = evaluation(case, view=view)
        assert [len(batch.video_ids) for batch in known[:-1]] == [BATCH] * (len(known) - 1)
        for batch_size in (1, 7, 1000):
            other = evaluation(case, view=view, batch_size=batch_size)
            for name in known[0].inputs:
                assert_array_equal(column(other, name), column(known, name))
            assert_array_equal(ids(other), ids(known))
            assert_array_equal(truth(other), truth(known))
        assert all(batch.resume is None for batch in known)

    def test_files_come_in_the_order_given(self, case: DatasetCase) -> None:
        by_file = [ids(evaluation(case, files=[file])).tolist() for file in case.files]
        assert ids(evaluation(case)).tolist() == [each for own in by_file for each in own]
        backwards = ids(evaluation(case, files=case.files[::-1])).tolist()
        assert backwards == [each for own in by_file[::-1] for each in own]

    def test_ids_are_unique_texts(self, case: DatasetCase) -> None:
        found = ids(evaluation(case))
        assert found.dtype.kind == "U"
        assert len(set(found.tolist())) == len(found) > 20

    def test_ids_name_the_same_example_everywhere(self, case: DatasetCase) -> None:
        view = View(case_frames(case), whole=True)
        known = by_id(evaluation(case, view=view))
        assert len({json.dumps([array.tolist() for array in arrays]) for arrays in known.values()}) > 20
        for batches in (training(case, 12, view=view), evaluation(case, view=view, batch_size=9), raw(case)):
            for name, arrays in by_id(batches).items():
                for found, expected in zip(arrays, known[name], strict=True):
                    assert_array_equal(trimmed(found, expected), trimmed(expected, found), err_msg=name)

    @pytest.mark.parametrize("view", VIEWS, ids=str)
    def test_batches_are_what_the_task_announces(self, case: DatasetCase, view: View) -> None:
        assert case.dataset.classes == case.task.classes
        for batches in (training(case, 3, view=view), evaluation(case, view=view)):
            for batch in batches:
                check_fits(case.task, batch, case.task.model_inputs(view))
        for batch in raw(case):
            check_fits(case.task, batch, case.task.inputs)

    def test_labels_are_of_the_tasks_kind(self, case: DatasetCase) -> None:
        found = truth(evaluation(case))
        assert found.any()
        assert not found.all()
        if case.task.labels == "multi_class":
            assert (found.sum(axis=1) == 1).all()

    def test_a_fault_in_one_example_changes_no_other(self, case: DatasetCase, tmp_path: Path) -> None:
        files = case.copied(tmp_path / "damaged")
        lost = case.damage(files)
        for read in (evaluation, raw):
            known, faults = by_id(read(case)), Faults(1.0)
            found = by_id(read(case, files=files, faults=faults))
            assert list(found) == [name for name in known if name != lost]
            for name, arrays in found.items():
                for array, expected in zip(arrays, known[name], strict=True):
                    assert_array_equal(trimmed(array, expected), trimmed(expected, array), err_msg=name)
            assert sum(faults.counts.values()) == 1
            assert faults.summary()["good"] == len(known) - 1
            assert files_of(files)[0] in faults.summary()["examples"][0]

    def test_a_faulty_example_does_not_train(self, case: DatasetCase, tmp_path: Path) -> None:
        files = case.copied(tmp_path / "damaged")
        lost = case.damage(files)
        left = len(ids(evaluation(case))) - 1
        whole, _ = undisturbed(case, 2 * left, VIEWS[0], files=files, batch_size=1, max_share=1.0)
        for drawn in (whole[:left], whole[left:]):
            assert sorted([*ids(drawn).tolist(), lost]) == sorted(ids(evaluation(case)).tolist())
        for place in (0, left // 2, left):
            kept = json.loads(json.dumps(whole[place].resume))
            again = training(case, left - 1, files=files, batch_size=1, resume=kept, faults=Faults(1.0))
            assert_same(again, whole[place + 1 : place + left])

    def test_more_faults_than_allowed_are_an_error_that_names_one(self, case: DatasetCase, tmp_path: Path) -> None:
        files = case.copied(tmp_path / "damaged")
        case.damage(files)
        with pytest.raises(InputError, match=Path(files_of(files)[0]).name):
            evaluation(case, files=files, faults=Faults(0.0))
        with pytest.raises(InputError, match=Path(files_of(files)[0]).name):
            training(case, 2 * len(ids(evaluation(case))), files=files, batch_size=1, faults=Faults(0.0))

    def test_files_that_are_missing_are_an_error_that_names_one(self, case: DatasetCase, tmp_path: Path) -> None:
        missing = str(tmp_path / "nowhere")
        for read in (evaluation, raw):
            with pytest.raises(InputError, match="nowhere"):
                read(case, files=[*case.files, missing])
            with pytest.raises(InputError):
                read(case, files=[])
        with pytest.raises(InputError, match="nowhere"):
            training(case, 20, files=[*case.files, missing])

    def test_sizes_and_seeds_that_make_no_sense_are_refused(self, case: DatasetCase) -> None:
        with pytest.raises(InputError):
            training(case, 1, batch_size=0)
        with pytest.raises(InputError):
            training(case, 1, seed=-1)
        with pytest.raises(InputError):
            evaluation(case, batch_size=0)

    def test_good_examples_are_counted(self, case: DatasetCase) -> None:
        for read in (evaluation, raw):
            faults = Faults(0.0)
            read(case, faults=faults)
            assert faults.summary()["good"] == len(ids(evaluation(case)))
            assert not faults.counts

    def test_a_stream_that_is_left_has_ended(self, case: DatasetCase) -> None:
        with case.dataset.training(
            case.files, batch_size=BATCH, sample_frames=PLACES, whole=False, seed=SEED, faults=Faults(0.0)
        ) as batches:
            before = batches.wait_seconds
            next(batches)
            assert 0 <= before <= batches.wait_seconds
        assert next(batches, None) is None


def training(
    case: DatasetCase,
    count: int,
    *,
    view: View = VIEWS[0],
    seed: int = SEED,
    batch_size: int = BATCH,
    faults: Faults | None = None,
    files: Sequence[str] | None = None,
    resume: dict[str, Any] | None = None,
) -> list[Examples]:
    """The first `count` batches, or those after `resume`; faults are not tolerated unless told so."""
    with case.dataset.training(
        case.files if files is None else files,
        batch_size=batch_size,
        sample_frames=view.sample_frames,
        whole=view.whole,
        seed=seed,
        faults=faults or Faults(0.0),
        resume=resume,
    ) as batches:
        return list(islice(batches, count))


def undisturbed(
    case: DatasetCase,
    count: int,
    view: View,
    *,
    files: Sequence[str] | None = None,
    batch_size: int = BATCH,
    max_share: float = 0.0,
) -> tuple[list[Examples], Faults]:
    faults = Faults(max_share)
    return training(case, count, view=view, files=files, batch_size=batch_size, faults=faults), faults


def evaluation(
    case: DatasetCase,
    *,
    view: View = VIEWS[0],
    batch_size: int = BATCH,
    faults: Faults | None = None,
    files: Sequence[str] | None = None,
) -> list[Examples]:
    with case.dataset.evaluation(
        case.files if files is None else files,
        batch_size=batch_size,
        sample_frames=view.sample_frames,
        whole=view.whole,
        faults=faults or Faults(0.0),
    ) as batches:
        return list(batches)


def raw(case: DatasetCase, *, faults: Faults | None = None, files: Sequence[str] | None = None) -> list[Examples]:
    given = case.files if files is None else files
    with case.dataset.raw(given, batch_size=BATCH, faults=faults or Faults(0.0)) as batches:
        return list(batches)


def ids(batches: Sequence[Examples]) -> np.ndarray:
    return np.concatenate([batch.video_ids for batch in batches])


def truth(batches: Sequence[Examples]) -> np.ndarray:
    return np.concatenate([batch.labels for batch in batches])


def column(batches: Sequence[Examples], name: str) -> np.ndarray:
    return np.concatenate([batch.inputs[name] for batch in batches])


def by_id(batches: Sequence[Examples]) -> dict[str, list[np.ndarray]]:
    """All that is known of an example: labels, then its inputs."""

    def examples() -> Iterator[tuple[str, list[np.ndarray]]]:
        for batch in batches:
            for row, name in enumerate(batch.video_ids.tolist()):
                yield name, [batch.labels[row], *(array[row] for array in batch.inputs.values())]

    return dict(examples())


def trimmed(array: np.ndarray, other: np.ndarray) -> np.ndarray:
    """As long as the other, where what lies beyond is padding."""
    if array.ndim == 0 or len(array) <= len(other):
        return array
    assert not array[len(other) :].any()
    return array[: len(other)]


def case_frames(case: DatasetCase) -> int:
    """As many places as an example has frames at most; one without them needs none."""
    return int(getattr(case.task, "max_frames", 1))


def assert_same(found: Sequence[Examples], expected: Sequence[Examples]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one.video_ids, other.video_ids)
        assert_array_equal(one.labels, other.labels)
        assert list(one.inputs) == list(other.inputs)
        for name, array in one.inputs.items():
            assert_array_equal(array, other.inputs[name], err_msg=name)
        assert one.resume == other.resume


def check_fits(task: Task, batch: Examples, announced: tuple[Input, ...]) -> None:
    """Names, types and shapes; None fits any size."""
    count = len(batch.video_ids)
    assert batch.video_ids.shape == (count,)
    assert batch.labels.shape == (count, task.classes)
    assert batch.labels.dtype == np.bool_
    assert list(batch.inputs) == [given.name for given in announced]
    for given in announced:
        array = batch.inputs[given.name]
        assert array.dtype.name == given.dtype, given.name
        assert array.ndim == len(given.shape) + 1 and len(array) == count, given.name
        assert all(
            found == size for found, size in zip(array.shape[1:], given.shape, strict=True) if size is not None
        ), given.name


CLASSES = 6


def videos(folder: Path, task: YouTube8M) -> DatasetCase:
    """Generated files of YouTube-8M's format."""
    paths = write_synth(
        folder,
        level=task.level,
        train_files=2,
        validate_files=0,
        videos_per_file=16,
        classes=task.classes,
        min_frames=3,
        max_frames=PLACES,
        seed=0,
    )
    return DatasetCase(task, tuple(str(path) for path in paths), partial(damage_a_record, task))


def damage_a_record(task: YouTube8M, files: Sequence[str]) -> str:
    """Change a byte in the midst of the first record of the first file."""
    known = raw(DatasetCase(task, (files[0],), partial(damage_a_record, task)))[0].video_ids[0]
    path = Path(files[0])
    content = bytearray(path.read_bytes())
    content[12 + int.from_bytes(content[:8], "little") // 2] ^= 0xFF  # behind the record's length and its CRC
    path.write_bytes(content)
    return str(known)


DENSE: dict[str, DenseTask] = {
    "multi_class": DenseTask((("image", (3, 2)), ("speed", ())), CLASSES, "multi_class"),
    "multi_label": DenseTask((("x", (5,)),), CLASSES, "multi_label"),
    "binary": DenseTask((("x", (5,)),), 1, "binary"),
}


def arrays(folder: Path, kind: str, *, with_ids: bool = True) -> DatasetCase:
    """Npz files of 15 and 17 items."""
    task, rng, files = DENSE[kind], np.random.default_rng(3), []
    for number, count in enumerate((15, 17)):
        labels: np.ndarray = rng.integers(0, CLASSES, count)
        if kind != "multi_class":
            labels = rng.random((count, task.classes)) < 0.4
        given = {"ids": np.array([f"item {number}.{row}" for row in range(count)])} if with_ids else {}
        inputs = {name: rng.normal(size=(count, *shape)) for name, shape in task.shapes}
        files.append(str(folder / f"part{number}.npz"))
        np.savez(files[-1], labels=labels, **inputs, **given)
    return DatasetCase(task, tuple(files), damage_an_item)


def parts(folder: Path, kind: str) -> DatasetCase:
    """What is left to train on once some items are held out."""
    whole = arrays(folder, kind)
    return DatasetCase(whole.task, split_items(whole.files, [15, 17], 7, seed=2).train, damage_an_item)


def damage_an_item(files: Sequence[str]) -> str:
    """Let one value of an item of the first file be no number."""
    part = part_of(files[0])
    with np.load(part.file) as archive:
        content = dict(archive)
    row = int(part.rows(len(content["labels"]))[1])
    name = next(name for name in content if name not in ("labels", "ids"))
    content[name].reshape(len(content[name]), -1)[row, -1] = np.nan
    np.savez(part.file, **content)
    return str(content["ids"][row]) if "ids" in content else f"{Path(part.file).stem}-{row}"


CASES: dict[str, Callable[[Path], DatasetCase]] = {
    "frame level": lambda folder: videos(folder, YouTube8M("frame", CLASSES, max_frames=PLACES)),
    "video level": lambda folder: videos(folder, YouTube8M("video", CLASSES)),
    "multi-class arrays": lambda folder: arrays(folder, "multi_class"),
    "multi-label arrays": lambda folder: arrays(folder, "multi_label", with_ids=False),
    "binary arrays": lambda folder: arrays(folder, "binary"),
    "parts of arrays": lambda folder: parts(folder, "multi_class"),
}


class TestEveryDataset(DatasetContract):
    @pytest.fixture(scope="class", params=CASES)
    @classmethod
    def case(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DatasetCase:
        folder = tmp_path_factory.mktemp("data") / "files"
        folder.mkdir()
        return CASES[request.param](folder)


def test_every_tasks_data_set_is_asked(tmp_path: Path) -> None:
    asked = set()
    for name, make in CASES.items():
        folder = tmp_path / name
        folder.mkdir()
        asked.add(make(folder).task.name)
    assert asked == set(names())
