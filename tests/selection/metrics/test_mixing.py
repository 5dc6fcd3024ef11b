from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from gapsack.selection.metrics import mixing

DIGESTS = """
import hashlib
import numpy as np
from gapsack.selection.metrics import mixing
rng = np.random.default_rng(0)
values, weights, terms = rng.random((9, 300_000)), rng.random(9), rng.random(300_000)
found = (mixing.mixed(weights, values), mixing.slopes_of(values, terms),
         mixing.gram(values), mixing.total(terms, terms))
print(*(hashlib.sha256(np.asarray(each).tobytes()).hexdigest() for each in found))
"""


@pytest.mark.parametrize(("members", "terms"), [(1, 1), (3, 1000), (40, 5), (7, 40_000)])
def test_products_are_those_of_matrices(members: int, terms: int) -> None:
    rng = np.random.default_rng(members)
    values, weights, each = rng.random((members, terms)), rng.random(members), rng.random(terms)
    np.testing.assert_allclose(mixing.mixed(weights, values), weights @ values, rtol=1e-13)
    np.testing.assert_allclose(mixing.slopes_of(values, each), values @ each, rtol=1e-12)
    np.testing.assert_allclose(mixing.gram(values), values @ values.T, rtol=1e-12)
    assert mixing.total(each, each) == pytest.approx(each @ each, rel=1e-12)


def test_the_number_of_threads_changes_no_bit() -> None:
    def digests(threads: str) -> str:
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", DIGESTS]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert digests("1") == digests("4")
