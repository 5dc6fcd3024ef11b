"""Sizes of published configurations: tensors, millions of values, MiB in float32, float16 and 8 bits.

The published float16 halves every tensor of more than 17,000 values, vectors included; 8 bits keep one code a value
and 256 float32 levels a tensor. Ours leave vectors in float32, so the first is counted here as published, from our
tensors.
"""

from __future__ import annotations

from typing import Any

import pytest

from gapsack.models import sizes

CLASSES = 3862
SMALLEST_CONVERTED = 17_000
LEVELS_BYTES = 1024

PUBLISHED = [
    ("gated_netvlad", {"clusters": 24, "hidden": 1440}, 32, 187.41, 714.9, 357.5, 178.9),
    ("willow_netvlad", {"clusters": 256, "hidden": 1024}, 31, 321.54, 1226.6, 613.4, 306.8),
    ("willow_netvlad", {"clusters": 192, "hidden": 992}, 31, 242.73, 925.9, 463.1, 231.7),
    ("willow_netvlad", {"clusters": 256, "hidden": 800}, 31, 254.42, 970.5, 485.4, 242.8),
    ("netrvlad", {"clusters": 256, "hidden": 1024}, 29, 321.26, 1225.5, 612.9, 306.5),
    ("netfv", {"clusters": 128, "hidden": 1024}, 33, 321.40, 1226.0, 613.1, 306.7),
    ("netfv", {"clusters": 96, "hidden": 1540}, 33, 369.07, 1407.9, 704.1, 352.1),
    ("soft_dbof", {"clusters": 8000, "hidden": 1024}, 19, 37.36, 142.5, 71.4, 35.8),
    ("gated_dbof", {"clusters": 4096, "hidden": 1024}, 25, 37.19, 141.9, 71.0, 35.6),
    ("gated_dbof", {"clusters": 6144, "hidden": 1536}, 25, 59.32, 226.3, 113.3, 56.8),
    ("gated_dbof", {"clusters": 3684, "hidden": 920}, 25, 33.00, 125.9, 63.0, 31.6),
    ("lstm", {"cells": 1024}, 7, 37.09, 141.5, 70.8, 35.4),
    ("lstm_willow", {"cells": 1024}, 7, 96.41, 367.8, 183.9, 92.0),
    ("gru", {"cells": 1200}, 11, 63.47, 242.1, 121.1, 60.6),
    ("lstm_bidirect", {"cells": 1024}, 8, 19.17, 73.1, 36.6, 18.3),
    ("gru_bidirect", {"cells": 1024}, 14, 15.37, 58.6, 29.3, 14.7),
    ("nextvlad", {"clusters": 128, "hidden": 2048}, 41, 88.97, 339.4, 169.8, 85.0),
    ("nextvlad", {"clusters": 112, "hidden": 2048, "reduction": 16}, 41, 78.71, 300.3, 150.2, 75.2),
    ("nextvlad", {"clusters": 128, "hidden": 2048, "groups": 16}, 41, 53.31, 203.4, 101.9, 51.2),
    ("nextvlad", {"clusters": 128, "hidden": 2048, "groups": 32}, 41, 38.76, 147.9, 74.1, 37.2),
    ("mix_nextvlad", {"clusters": 112, "hidden": 2048, "reduction": 16}, 129, 236.15, 900.8, 450.8, 225.7),
    ("logistic", {}, 2, 4.45, 17.0, None, None),
    ("moe", {}, 3, 22.25, 84.9, None, None),
    ("moe", {"mixtures": 4}, 3, 40.06, 152.8, None, None),
    ("moe", {"probability_gating": True}, 8, 37.18, 141.8, None, None),
    ("dbof", {"clusters": 8192, "hidden": 1024}, 17, 37.65, 143.6, 71.9, 36.0),
]


@pytest.mark.parametrize("row", PUBLISHED)
def test_published_sizes(row: tuple[str, dict[str, Any], int, float, float, float | None, float | None]) -> None:
    family, options, tensors, million, float32, float16, eight_bits = row
    table = sizes.tensors(family, {**options, "classes": CLASSES})
    assert len(table) == tensors
    assert round(sum(tensor.count for tensor in table) / 1e6, 2) == million
    assert round(sizes.size_bytes(family, {**options, "classes": CLASSES}, "float32") / 2**20, 1) == float32
    if float16 is None:  # printed as a half and a quarter
        return
    converted = [tensor.count for tensor in table if tensor.count > SMALLEST_CONVERTED]
    kept = 4 * sum(tensor.count for tensor in table if tensor.count <= SMALLEST_CONVERTED)
    assert round((kept + 2 * sum(converted)) / 2**20, 1) == float16
    assert round((kept + sum(converted) + LEVELS_BYTES * len(converted)) / 2**20, 1) == eight_bits


@pytest.mark.parametrize(
    ("family", "options", "float16"), [(row[0], row[1], row[5]) for row in PUBLISHED[1:] if row[5]]
)
def test_our_float16_is_as_small_where_the_large_tensors_are_matrices(
    family: str, options: dict[str, int], float16: float
) -> None:
    ours = sizes.size_bytes(family, {**options, "classes": CLASSES}, "float16") / 2**20
    assert ours == pytest.approx(float16, rel=0.02)
