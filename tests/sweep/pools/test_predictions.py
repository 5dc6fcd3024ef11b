from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapsack.selection.errors import InputError, PoolError
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.pools.predictions import import_candidates, read_sizes, split_named
from gapsack.sweep.pools.typed_sizes import parse_size_bytes

IDS = np.array(["aaaa", "bbbb", "cccc"])


def dense(folder: Path, name: str, seed: int) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, video_ids=IDS, scores=np.random.default_rng(seed).random((3, 40)))
    return path


def truth(folder: Path) -> Path:
    path = folder / "truth.npz"
    np.savez(path, video_ids=IDS, labels=np.random.default_rng(9).random((3, 40)) < 0.2)
    return path


def run_import(pool: Path, labels: Path | None, predictions: list[str], sizes: list[str]) -> CandidatePool:
    return import_candidates(
        pool,
        labels_file=labels,
        predictions=predictions,
        sizes=sizes,
        class_count=None,
        top_k=100,
        default_precision="float32",
    )


def test_a_pool_grows_model_by_model(tmp_path: Path) -> None:
    pool, labels = tmp_path / "pool", truth(tmp_path)
    a, b, b8 = dense(tmp_path, "a", 1), dense(tmp_path, "b", 2), dense(tmp_path, "b8", 3)
    run_import(pool, labels, [f"a={a}"], ["a=3MiB"])
    whole = run_import(pool, None, [f"b={b}", f"b@int8={b8}"], ["b=4MiB", "b@int8=1MiB"])
    assert [candidate.name for candidate in whole.candidates] == ["a", "b"]
    assert whole["b"].size_bytes == {"float32": 4 * 2**20, "int8": 2**20}
    assert set(whole["b"].by_precision) == {"int8"}
    expected = gap_at_k(np.load(a)["scores"].astype(np.float32), np.load(labels)["labels"])
    assert whole["a"].metrics["gap"] == pytest.approx(expected, abs=1e-12)
    for size, file in (("4MiB", a), ("3MiB", b)):
        with pytest.raises(PoolError, match="a, which is there already"):
            run_import(pool, None, [f"a={file}"], [f"a={size}"])


def test_a_wrong_import_writes_nothing(tmp_path: Path) -> None:
    labels, a = truth(tmp_path), dense(tmp_path, "a", 1)
    pool = tmp_path / "pool"
    cases: list[tuple[Path | None, list[str], list[str], str]] = [
        (None, [f"a={a}"], ["a=1MiB"], "expected labels"),
        (labels, [], [], "at least one model"),
        (labels, [f"a={a}"], [], "expected the size of a"),
        (labels, [f"a={a}"], ["a=1MiB", "b=1MiB"], "got none for b"),
        (labels, [f"a={a}", f"a={a}"], ["a=1MiB"], "got two"),
        (labels, [f"a={a}"], ["a=0MiB"], "above zero"),
        (labels, [f"a@int8={a}"], ["a=1MiB"], "need its size"),
    ]
    for given_labels, predictions, sizes, expected in cases:
        with pytest.raises(InputError, match=expected):
            run_import(pool, given_labels, predictions, sizes)
        assert not pool.exists()


def test_sizes_as_people_write_them(tmp_path: Path) -> None:
    assert parse_size_bytes("1MiB") == parse_size_bytes("1 MB") == parse_size_bytes("1048576") == 2**20
    assert parse_size_bytes("1.5GiB") == 3 * 2**29
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(bytes(123))
    assert parse_size_bytes(str(tmp_path / "model")) == 123
    assert read_sizes(["a=2MiB", "a@int8=1MiB"], "float32") == {"a": {"float32": 2**21, "int8": 2**20}}
    for wrong in ("0MiB", "large", "-3MiB", "3 parsecs"):
        with pytest.raises(InputError, match="expected a size"):
            parse_size_bytes(wrong)
    with pytest.raises(PoolError, match="got two"):
        read_sizes(["a=2MiB", "a=1MiB"], "float32")
    assert split_named("a@int8=x=y", "") == ("a", "int8", "x=y")
    with pytest.raises(PoolError, match="expected a thing"):
        split_named("nothing", "a thing")


def test_shared_groups_are_typed_by_name_and_precision(tmp_path: Path) -> None:
    pool, labels = tmp_path / "pool", truth(tmp_path)
    files = [f"{name}={dense(tmp_path, name, seed)}" for seed, name in enumerate("ab")]
    sizes = ["a=3MiB", "a@int8=1MiB", "b=4MiB"]

    def add(*shared: str) -> CandidatePool:
        return import_candidates(
            pool,
            labels_file=labels,
            predictions=files,
            sizes=sizes,
            class_count=None,
            top_k=100,
            default_precision="float32",
            shared=shared,
        )

    for shared, message in (
        (("a=body",), r"name=group:90MiB .* got 'a=body'"),
        (("a=body:1MiB", "a=body:2MiB"), "one size for body of a in float32, got two"),
        (("c=body:1MiB",), "every model that shares, got none for c"),
        (("a=body:1MiB", "b=body:2MiB"), "same bytes in every candidate"),
        (("a=body:4MiB",), "part of the 3145728 bytes"),
    ):
        with pytest.raises(PoolError, match=message):
            add(*shared)
        assert not pool.exists()
    whole = add("a=body:1MiB", "a@int8=body:512KiB", "b=body:1MiB")
    assert whole["a"].shared == {"body": {"float32": 2**20, "int8": 2**19}}
    assert CandidatePool.read(pool)["b"].shared == {"body": {"float32": 2**20}}
    assert [each.shared for each in add("a=body:1MiB", "a@int8=body:512KiB", "b=body:1MiB").candidates]
    with pytest.raises(PoolError, match="b, which is there already"):
        add("a=body:1MiB", "a@int8=body:512KiB")
