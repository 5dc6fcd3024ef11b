"""The figures that the step's benchmark prints are counted right, and both of its commands run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import train_step
from benchmarks.step_cost import step_cost
from gapsack.models import sizes

TINY = ["--batch", "4", "--frames", "3", "--classes", "5", "--steps", "3", "--models", "2-4"]


def test_operations_are_those_of_every_product_written_out() -> None:
    K, H, V, B, S = 16, 512, 3862, 80, 300
    video, audio = 2 * B * S * 1024 * K, 2 * B * S * 128 * (K // 2)
    dense = [(1024 * K + 128 * (K // 2), H), (H, 2 * H), (2 * H, 2 * H), (2 * H, 6 * V), (2 * H, 5 * V), (V, V)]
    expected = 4 * (video + audio) + 3 * sum(2 * B * rows * columns for rows, columns in dense)
    cost = step_cost({"clusters": K, "hidden": H, "classes": V}, batch=B, frames=S)
    assert cost.operations == expected


def test_the_weights_alone_move_32_bytes_a_value() -> None:
    hyperparameters = {"clusters": 16, "hidden": 512, "classes": 3862}
    trainable = sum(t.count for t in sizes.tensors("gated_netvlad", hyperparameters) if t.trainable)
    small, large = (step_cost(hyperparameters, batch=batch, frames=300).moved_bytes for batch in (1, 2))
    assert small - (large - small) == pytest.approx(32 * trainable)


def test_the_limit_adds_products_and_traffic() -> None:
    cost = step_cost({"clusters": 2, "hidden": 4, "classes": 5}, batch=4, frames=3)
    assert cost.seconds(cost.operations, cost.moved_bytes / 2) == pytest.approx(3.0)


def test_the_papers_grid_has_its_28_models() -> None:
    assert len(set(train_step.PAPER_GRID)) == 28


@pytest.mark.long
def test_compare_finds_the_same_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_step, "measured_rates", lambda _: (1e9, 1e9))
    train_step.main(["compare", *TINY, "--json", str(tmp_path / "figures.json")])
    [row] = json.loads((tmp_path / "figures.json").read_text())
    assert row["largest_loss_error"] < train_step.LOSS_TOLERANCE
    assert row["ratio"] > 0
    assert row["kernels"] == "cpu"
    assert row["kernels_ratio"] == pytest.approx(
        row["ours_videos_per_second"] / row["without_kernels_videos_per_second"]
    )


@pytest.mark.long
def test_roofline_prints_a_share_of_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_step, "measured_rates", lambda _: (1e9, 1e9))
    train_step.main(["roofline", *TINY, "--json", str(tmp_path / "figures.json")])
    model, grid = json.loads((tmp_path / "figures.json").read_text())
    limit = step_cost(train_step.parsed("2-4", 5), batch=4, frames=3).seconds(1e9, 1e9)
    assert model["share_of_limit"] == pytest.approx(limit / model["seconds_per_step"])
    assert grid["paper_grid_hours"] > 0
