"""Npz files of arrays: what may be in them, and what is wrong with them in a sentence that says where."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from gapsack.sweep.data.arrays import Arrays
from gapsack.sweep.data.describe import described, item_counts
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.parts import files_of, part_of, split_items
from gapsack.sweep.errors import ConfigError, DataError

TASK = {"name": "dense", "inputs": {"x": [3], "image": [2, 2]}, "classes": 4, "labels": "multi_class"}
COUNT = 8

Content = dict[str, Any]


def content(**changed: Any) -> Content:
    """Arrays of a good file; None leaves one out."""
    rng = np.random.default_rng(0)
    good = {
        "x": rng.normal(size=(COUNT, 3)),
        "image": rng.normal(size=(COUNT, 2, 2)).astype(np.float32),
        "labels": np.arange(COUNT) % 4,
        "ids": np.array([f"item{row}" for row in range(COUNT)]),
    }
    return {name: array for name, array in (good | changed).items() if array is not None}


def with_values(name: str, values: dict[Any, Any]) -> np.ndarray:
    array = content()[name].copy()
    for place, value in values.items():
        array[place] = value
    return array


def read(path: Path, *, max_share: float = 0.0, task: Content = TASK, raw: bool = False) -> tuple[list[Any], Faults]:
    faults = Faults(max_share)
    data = Arrays.of_task(task)
    streams = {
        True: lambda: data.raw([str(path)], batch_size=5, faults=faults),
        False: lambda: data.evaluation([str(path)], batch_size=5, sample_frames=1, whole=False, faults=faults),
    }
    with streams[raw]() as batches:
        return list(batches), faults


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "items.npz"


def refused(path: Path, *, task: Content = TASK, raw: bool = False) -> str:
    """The sentence by which a file is refused, without its folder."""
    with pytest.raises(DataError) as caught:
        read(path, task=task, raw=raw)
    text = str(caught.value)
    assert str(path) in text
    return text.replace(str(path), path.name)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"x": None}, "items.npz: expected the arrays x, image, labels, got no x among image, labels, ids"),
        ({"labels": None}, "items.npz: expected the arrays x, image, labels, got no labels among x, image, ids"),
        ({"x": np.ones((COUNT, 4))}, "expected the shape [items, 3] in the array x, got [8, 4]"),
        ({"x": np.ones(COUNT)}, "expected the shape [items, 3] in the array x, got [8]"),
        ({"x": np.float64(1)}, "expected the shape [items, 3] in the array x, got []"),
        ({"x": np.ones((COUNT, 3), np.int32)}, "expected floats, or integers of at most 16 bits in the array x, got"),
        ({"x": np.ones((COUNT, 3), np.complex64)}, "in the array x, got complex64"),
        ({"x": np.ones((COUNT, 3)).astype(str)}, "in the array x, got <U"),
        ({"x": np.ones((COUNT - 1, 3))}, "expected as many items in every array, got 7 in x, 8 in image, 8 in labels"),
        ({"labels": np.arange(9) % 4}, "got 8 in x, 8 in image, 9 in labels, 8 in ids"),
        ({"ids": np.arange(7)}, "8 in labels, 7 in ids"),
        (
            {"labels": np.zeros(COUNT)},
            "expected whole numbers, [items], for multi_class labels of 4 in",
        ),
        ({"labels": np.zeros((COUNT, 4), int)}, "in the array labels, got [8, 4]"),
        ({"labels": np.zeros(COUNT, bool)}, "in the array labels, got bool"),
        ({"ids": np.zeros(COUNT)}, "expected texts or whole numbers, [items] in the array ids, got float64 [8]"),
        ({"ids": np.zeros(COUNT, int)}, "items.npz: expected every id once, got 0 again"),
        ({"ids": np.array(list("aabbccdd"))}, "expected every id once, got a, b, c and 1 more again"),
    ],
)
def test_an_array_that_does_not_fit_is_named(file: Path, changed: Content, sentence: str) -> None:
    np.savez(file, **content(**changed))
    assert sentence in refused(file)


@pytest.mark.parametrize(
    ("changed", "row", "kind", "detail"),
    [
        (
            {"x": with_values("x", {(5, 1): np.nan})},
            5,
            "not finite",
            "expected finite values in x, got NaN or infinity",
        ),
        ({"image": with_values("image", {(0, 1, 1): -np.inf})}, 0, "not finite", "finite values in image"),
        ({"x": with_values("x", {(2, 0): 1e300})}, 2, "not finite", "finite values in x"),
        ({"labels": with_values("labels", {7: 4})}, 7, "label", "expected labels from 0 to 3, got 4"),
        ({"labels": with_values("labels", {3: -1})}, 3, "label", "expected labels from 0 to 3, got -1"),
        ({"labels": np.array([0, 1, 2, 3, 0, 1, 2, 2**63], np.uint64)}, 7, "label", "got 9223372036854775808"),
    ],
)
def test_a_faulty_item_is_left_out_and_named(file: Path, changed: Content, row: int, kind: str, detail: str) -> None:
    np.savez(file, **content(**changed))
    batches, faults = read(file, max_share=0.2)
    kept = [name for batch in batches for name in batch.video_ids.tolist()]
    assert kept == [f"item{each}" for each in range(COUNT) if each != row]
    (fault,) = faults.examples
    assert (fault.kind, fault.file, fault.record_index) == (kind, str(file), row)
    assert detail in fault.detail
    assert f"got 1 faulty (1 {kind}) of 8; the first is" in refused(file)


def test_an_item_with_several_faults_is_one_fault(file: Path) -> None:
    bad = with_values("x", {(4, 0): np.nan}), with_values("image", {(4, 0, 0): np.inf}), with_values("labels", {4: 9})
    np.savez(file, **content(x=bad[0], image=bad[1], labels=bad[2]))
    _, faults = read(file, max_share=0.2)
    assert faults.counts == {"label": 1}
    assert faults.summary()["good"] == COUNT - 1


KINDS = {
    "multi_label": (4, np.eye(4, dtype=bool)[np.arange(COUNT) % 4]),
    "binary": (1, np.arange(COUNT) % 3 == 0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8])
def test_labels_of_two_values_may_be_numbers(file: Path, kind: str, dtype: type) -> None:
    classes, labels = KINDS[kind]
    np.savez(file, **content(labels=labels.astype(dtype)))
    batches, _ = read(file, task=TASK | {"labels": kind, "classes": classes})
    found = np.concatenate([batch.labels for batch in batches])
    assert found.dtype == np.bool_
    assert_array_equal(found, labels.reshape(COUNT, classes))


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_two_values_are_no_others(file: Path, kind: str) -> None:
    classes, labels = KINDS[kind]
    numbers = labels.astype(np.int64)
    numbers.reshape(COUNT, classes)[6, -1] = 2
    np.savez(file, **content(labels=numbers))
    assert "record 6: expected labels from 0 to 1, got 2" in refused(
        file, task=TASK | {"labels": kind, "classes": classes}
    )


def test_what_floats_hold_exactly_may_be_an_input(file: Path) -> None:
    for dtype in (np.float16, np.float32, np.float64, ">f8", np.uint8, np.int16, np.bool_):
        values = np.arange(COUNT * 3).reshape(COUNT, 3).astype(dtype)
        np.savez(file, **content(x=values, image=np.asfortranarray(content()["image"])))
        batches, _ = read(file)
        assert_array_equal(batches[0].inputs["x"], values[:5].astype(np.float32))
        assert_array_equal(batches[0].inputs["image"], content()["image"][:5])
        assert batches[0].inputs["x"].dtype == np.float32


def test_files_without_labels_can_only_be_predicted(file: Path) -> None:
    np.savez(file, **content(labels=None))
    for kind, classes in (("multi_class", 4), ("multi_label", 4), ("binary", 1)):
        batches, _ = read(file, raw=True, task=TASK | {"labels": kind, "classes": classes})
        assert not any(batch.labels.any() for batch in batches)
        assert [batch.labels.shape[1] for batch in batches] == [classes, classes]
    assert "got no labels among" in refused(file)


@pytest.mark.parametrize("ids", [np.arange(100, 108), np.array([f"ü{row}".encode() for row in range(COUNT)])])
def test_ids_may_be_numbers_or_bytes(file: Path, ids: np.ndarray) -> None:
    np.savez(file, **content(ids=ids))
    batches, _ = read(file)
    expected = [each.decode() if isinstance(each, bytes) else str(each) for each in ids.tolist()]
    assert [name for batch in batches for name in batch.video_ids.tolist()] == expected


def test_items_without_ids_are_called_by_their_file_and_number(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "items.npz", **content(ids=None))
    batches, _ = read(tmp_path / "one" / "items.npz")
    assert batches[1].video_ids.tolist() == ["items-5", "items-6", "items-7"]
    both = [str(tmp_path / folder / "items.npz") for folder in ("one", "two")]
    with pytest.raises(DataError, match="expected every id once, got items-0, items-1, items-2 and 5 more again"):
        Arrays.of_task(TASK).raw(both, batch_size=5, faults=Faults(0))


# Files that are no npz files.


def npz_bytes(**changed: Any) -> bytes:
    memory = io.BytesIO()
    np.savez(memory, **content(**changed))
    return memory.getvalue()


def encrypted() -> bytes:
    """With the flag that says so set in both headers of its first member; nothing reads further."""
    data = bytearray(npz_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def of_objects() -> bytes:
    memory = io.BytesIO()
    np.savez(memory, **content(x=np.array([[None] * 3] * COUNT)))
    return memory.getvalue()


def without_arrays() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return memory.getvalue()


def single_array() -> bytes:
    memory = io.BytesIO()
    np.save(memory, content()["x"])
    return memory.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "expected an npz file (numpy.savez), got an empty file"),
        (b"a,b\n1,2\n", "got a file that begins with b'a,b\\n1,'"),
        (single_array(), "expected an npz file of named arrays (numpy.savez), got a single array (.npy)"),
        (npz_bytes()[:200], "expected a whole npz file, got BadZipFile"),
        (encrypted(), "expected the plain array x; got one that is encrypted"),
        (of_objects(), "expected floats, or integers of at most 16 bits in the array x, got object"),
        (without_arrays(), "got no x, image, labels among none"),
    ],
    ids=["empty", "csv", "npy", "truncated", "encrypted", "objects", "no arrays"],
)
def test_what_is_no_npz_file_is_told(file: Path, data: bytes, sentence: str) -> None:
    file.write_bytes(data)
    assert sentence in refused(file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_anywhere_is_never_anything_but_a_sentence(file: Path, save: Any) -> None:
    save(file, **content())
    whole = file.read_bytes()
    known, _ = read(file)
    rng = np.random.default_rng(1)
    for length in rng.integers(0, len(whole), 40).tolist():
        file.write_bytes(whole[:length])
        refused(file)
    for place in rng.integers(0, len(whole), 300).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            found, _ = read(file)
        except DataError as error:
            assert str(file) in str(error)
        else:  # in what nobody reads, such as a date
            for batch, expected in zip(found, known, strict=True):
                assert_array_equal(batch.inputs["x"], expected.inputs["x"])
                assert_array_equal(batch.labels, expected.labels)


def test_a_stream_keeps_what_it_read_and_another_sees_what_changed(file: Path) -> None:
    data = Arrays.of_task(TASK)
    np.savez(file, **content())
    before = list(data.raw([str(file)], batch_size=COUNT, faults=Faults(0)))
    np.savez(file, **content(x=np.ones((COUNT, 3))))
    again = list(data.raw([str(file)], batch_size=COUNT, faults=Faults(0)))
    assert_array_equal(again[0].inputs["x"], before[0].inputs["x"])
    other = list(Arrays.of_task(TASK).raw([str(file)], batch_size=COUNT, faults=Faults(0)))
    assert (other[0].inputs["x"] == 1).all()


# Parts of files.


def test_every_item_is_held_out_or_left_and_each_as_likely(tmp_path: Path) -> None:
    files, counts = [str(tmp_path / name) for name in ("a.npz", "b.npz", "c.npz")], [10, 1, 5]
    times = np.zeros(sum(counts))
    for seed in range(300):
        split = split_items(files, counts, 4, seed)
        taken = [rows(split.holdout, file, count) for file, count in zip(files, counts, strict=True)]
        left = [rows(split.train, file, count) for file, count in zip(files, counts, strict=True)]
        assert sum(map(len, taken)) == 4
        for own, rest, count in zip(taken, left, counts, strict=True):
            assert sorted([*own, *rest]) == list(range(count))
        times += np.concatenate([np.isin(np.arange(count), own) for own, count in zip(taken, counts, strict=True)])
    assert times.min() > 45 and times.max() < 110  # 75 expected of each, with a deviation of 7.5


def rows(names: tuple[str, ...], file: str, count: int) -> list[int]:
    own = [part_of(name) for name in names if part_of(name).file == file]
    return [row for part in own for row in part.rows(count).tolist()]


def test_a_part_is_the_same_items_wherever_its_file_lies() -> None:
    split = split_items(["/here/a.npz"], [50], 20, seed=3)
    (name,) = split.holdout
    assert name == "/here/a.npz#held_out=20,seed=3"
    moved = part_of("gs://bucket/a.npz#held_out=20,seed=3")
    assert moved.rows(50).tolist() == part_of(name).rows(50).tolist()
    assert str(part_of(name)) == name
    assert files_of([*split.train, *split.holdout]) == ["/here/a.npz"]


def test_a_plain_name_is_the_whole_file() -> None:
    for name in ("a.npz", "a#1.npz", "a#held_out=1.npz", "a.npz#held_out=x,seed=0"):
        assert part_of(name).rows(3).tolist() == [0, 1, 2]
        assert str(part_of(name)) == part_of(name).file == name


@pytest.mark.parametrize("held_out", [0, 16, 20])
def test_a_hold_out_of_nothing_or_everything_is_refused(held_out: int) -> None:
    with pytest.raises(ConfigError, match=f"got {held_out} of 16 held out"):
        split_items(["a.npz", "b.npz"], [10, 6], held_out, seed=0)


def test_a_file_that_has_become_shorter_than_its_part_is_told(file: Path) -> None:
    np.savez(file, **content())
    with pytest.raises(ConfigError, match=r"at least 9 items, as .*items\.npz#held_out=9,seed=0 says, got 8"):
        Arrays.of_task(TASK).raw([f"{file}#held_out=9,seed=0"], batch_size=2, faults=Faults(0))


# What files say of themselves.


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        (np.arange(COUNT) % 4, "multi_class", 6),  # the other file has a 5
        (np.arange(COUNT) % 2 == 0, "binary", 1),
        (np.zeros((COUNT, 7), bool), "multi_label", 7),
        (np.zeros((COUNT, 7), np.uint8), "multi_label", 7),
        (np.zeros((COUNT, 1), bool), "binary", 1),
    ],
)
def test_files_say_inputs_classes_and_labels(tmp_path: Path, labels: np.ndarray, kind: str, classes: int) -> None:
    files = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    np.savez(files[0], **content(labels=labels))
    np.savez(files[1], **content(labels=np.full(COUNT, 5)))
    inputs = {"x": [3], "image": [2, 2]}
    assert described(files, {}) == {"inputs": inputs, "labels": kind, "classes": classes}
    assert described(files, {"inputs": {}, "labels": kind}) == {"classes": classes}
    assert item_counts(files, "x") == [COUNT, COUNT]


def test_whole_numbers_are_yes_or_no_where_there_is_one_class(file: Path) -> None:
    np.savez(file, **content(labels=np.arange(COUNT) % 2))
    assert described([str(file)], {"classes": 1})["labels"] == "binary"
    assert described([str(file)], {"labels": "binary"})["classes"] == 1
    assert described([str(file)], {})["classes"] == 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"names": np.array(["a"] * COUNT)}, "got <U1 \\[8\\] in names; data.inputs may name those that count"),
        ({"labels": None}, "expected the array labels; got x, image, ids"),
        ({"labels": np.zeros(COUNT)}, "in the array labels, got float64 \\[8\\]"),
        ({"x": None, "image": None}, "expected arrays beside labels and ids, got none"),
    ],
)
def test_files_that_do_not_say_are_told(file: Path, changed: Content, sentence: str) -> None:
    np.savez(file, **content(**changed))
    with pytest.raises(DataError, match=sentence):
        described([str(file)], {})
