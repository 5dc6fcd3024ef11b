from __future__ import annotations

from dataclasses import replace

import pytest

from gapsack.models import precisions
from gapsack.models.graph import build_graph, reserve_bytes
from gapsack.models.graph.size import EXTRA_FILES_BYTES
from gapsack.models.tasks.youtube8m import YouTube8M

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}

NAMES = (*precisions.names(), "pruned75_float16", "pruned75_int8", "mixed_8_4_4_16_8")


@pytest.mark.parametrize(
    ("name", "level"), [*((name, "frame") for name in NAMES), ("float16", "video"), ("int4", "video")]
)
def test_the_reserve_covers_what_is_not_weights(ensemble, tmp_path, name, level):
    members = [replace(member, sample_frames=10 + index) for index, member in enumerate(ensemble(name, name, name))]
    info = build_graph(members, tmp_path / "graph", task=TASKS[level], blend="logit")
    weights = sum(member.size_bytes for member in members)
    assert sum(size for file, size in info.files.items() if ".data-" in file) == weights
    overhead, reserved = info.size_bytes - weights, reserve_bytes(members) - EXTRA_FILES_BYTES
    assert 0.6 * reserved < overhead < 0.97 * reserved


def test_members_of_two_mebibytes_come_out_within_a_percent(random_weights, tmp_path):
    from gapsack.models.checkpoints import write_weights
    from gapsack.models.graph.members import Member

    hyperparameters = {"clusters": 12, "hidden": 64, "classes": 150}
    write_weights(tmp_path / "w.npz", random_weights(hyperparameters, 0))
    member = Member("m", "gated_netvlad", hyperparameters, "float32", 0.5, tmp_path / "w.npz", 300)
    members = [member, replace(member, precision="float16"), replace(member, precision="float16")]
    assert all(1.8 * 2**20 < each.size_bytes < 4.5 * 2**20 for each in members)
    info = build_graph(members, tmp_path / "graph", task=YouTube8M("frame", classes=150))
    figure = sum(each.size_bytes for each in members) + reserve_bytes(members)
    assert 0.99 * figure < info.size_bytes < figure
