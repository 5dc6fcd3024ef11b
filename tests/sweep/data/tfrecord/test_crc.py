"""The compiled CRC against the library's own Python function."""

from __future__ import annotations

from importlib.metadata import version

import google_crc32c
import numpy as np
import pytest

from gapsack.sweep.data.tfrecord import crc


@pytest.fixture(params=["library", "plain"])
def crc_function(request: pytest.FixtureRequest) -> int:
    return crc.crc_function() if request.param == "library" else int(crc._plain_crc_function().address)


@pytest.mark.parametrize("size_bytes", [0, 1, 7, 8, 255, 256, 257, 511, 512, 2047, 2048, 2049, 6144, 20_001])
def test_as_the_library_says(crc_function: int, size_bytes: int) -> None:
    data = np.random.default_rng(size_bytes).integers(0, 256, size_bytes + 20, dtype=np.uint8)
    for start in (0, 3, 13):
        span = data[start : start + size_bytes]
        assert crc.crc32c(crc_function, data, start, start + size_bytes) == google_crc32c.value(span.tobytes())


def test_the_published_value() -> None:
    data = np.frombuffer(bytearray(b"123456789"), np.uint8)
    assert crc.crc32c(crc.crc_function(), data, 0, 9) == 0xE3069283


def test_the_library_has_the_function_that_we_call() -> None:
    """Reading is tens of times slower without: then the library changed, and `crc.crc_function` has to follow."""
    changed = (
        f"google-crc32c {version('google-crc32c')} no longer has the C function crc32c_extend behind its private module"
        " _crc32c, so records are checked a byte at a time: see crc.crc_function, and the versions in pyproject.toml"
    )
    assert google_crc32c.implementation == "c", "expected google-crc32c with its C extension, got the Python one"
    assert crc.crc_function() != crc._plain_crc_function().address, changed
