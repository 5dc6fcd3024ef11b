import csv
import subprocess
import sys

import numpy as np
import pytest

from gapsack.models import checkpoints, registry, sizes


def test_all_36_sizes_of_the_papers_table_to_the_printed_digit(golden):
    with (golden / "paper_table1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    for row in rows:
        hyperparameters = {"clusters": int(row["clusters"]), "hidden": int(row["hidden"]), "classes": 3862}
        for precision in ("float32", "float16"):
            size_mib = sizes.size_bytes("gated_netvlad", hyperparameters, precision) / 2**20
            assert f"{size_mib:.2f}" == row[f"{precision}_mib"], (row["code"], precision)


@pytest.mark.parametrize(("clusters", "hidden", "mixtures", "rgb", "audio"), [(2, 1, 1, 3, 1), (5, 7, 2, 16, 4)])
def test_sizes_equal_the_bytes_of_the_built_model(clusters, hidden, mixtures, rgb, audio):
    hyperparameters = {
        "clusters": clusters,
        "hidden": hidden,
        "classes": 11,
        "mixtures": mixtures,
        "rgb": rgb,
        "audio": audio,
    }
    model = registry.build("gated_netvlad", **hyperparameters)
    weights = checkpoints.reference_weights(model)
    assert sum(values.nbytes for values in weights.values()) == sizes.size_bytes(
        "gated_netvlad", hyperparameters, "float32"
    )
    assert sum(int(np.prod(variable.shape)) for variable in model.variables) == sizes.parameter_count(
        "gated_netvlad", hyperparameters
    )


def test_the_large_tensors_hold_nearly_all_bytes():
    tensors = sizes.tensors("gated_netvlad", {"clusters": 16, "hidden": 512, "classes": 3862})
    assert len(tensors) == 32
    large = [tensor for tensor in tensors if tensor.large]
    assert len(large) == 4
    assert sum(tensor.count for tensor in large) > 0.97 * sum(tensor.count for tensor in tensors)
    assert [tensor.name for tensor in tensors if tensor.decayed] == ["tower/gates/weights", "tower/experts/weights"]


def test_sizes_import_no_backend():
    heavy = {"keras", "tensorflow", "jax"}
    code = f"import sys, gapsack.models.sizes; assert not {heavy!r} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
