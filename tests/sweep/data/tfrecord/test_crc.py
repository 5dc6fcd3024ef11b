"""The compiled CRC against the library's own Python function."""

from __future__ import annotations

from typing import Any

import google_crc32c
import numpy as np
import pytest

from gapsack.sweep.data.tfrecord import crc
from gapsack.sweep.data.tfrecord.fold import is_there


@pytest.fixture(params=["library", "plain"])
def crc_function(request: pytest.FixtureRequest) -> int:
    return crc.crc_function() if request.param == "library" else int(crc._plain_crc_function().address)


WAYS = [crc._by_library, pytest.param(crc._by_folding, marks=pytest.mark.skipif(not is_there(), reason="no AVX-512"))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size_bytes", [0, 1, 7, 8, 255, 256, 257, 511, 512, 2047, 2048, 2049, 6144, 20_001])
def test_all_ways_agree_with_the_library(way: Any, crc_function: int, size_bytes: int) -> None:
    data = np.random.default_rng(size_bytes).integers(0, 256, size_bytes + 20, dtype=np.uint8)
    for start in (0, 3, 13):
        span = data[start : start + size_bytes]
        assert way(crc_function, data, start, start + size_bytes) == google_crc32c.value(span.tobytes())


def test_folding_is_used_where_the_processor_has_it() -> None:
    assert crc.crc32c is (crc._by_folding if is_there() else crc._by_library)


def test_the_published_value() -> None:
    data = np.frombuffer(bytearray(b"123456789"), np.uint8)
    assert crc.crc32c(crc.crc_function(), data, 0, 9) == 0xE3069283


def test_the_library_is_used_where_it_is_there() -> None:
    assert google_crc32c.implementation == "c"
    assert crc.crc_function() != crc._plain_crc_function().address
