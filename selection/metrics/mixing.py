"""Products of members' values with weights and terms, the same to the bit whatever the number of threads.

A BLAS parts long sums among its threads, and so rounds by how many there are: a search in a worker of one thread would
end in other bits than one in a process of many. These sums are numpy's own, or of blocks that a BLAS does not part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_OF_ONE_THREAD = 1 << 17  # multiplications up to which a product of matrices is one thread's (OpenBLAS: 2^18)


def mixed(weights: Floats, values: Floats) -> Floats:
    """[terms] ``weights`` [members] times ``values`` [members, terms]."""
    return np.asarray(np.einsum("m,mt->t", weights, values))


def slopes_of(values: Floats, terms: Floats) -> Floats:
    """[members] ``values`` [members, terms] times ``terms`` [terms]."""
    return np.asarray(np.einsum("mt,t->m", values, terms))


def total(importance: Floats, terms: Floats) -> float:
    """The sum of two [terms] multiplied."""
    return float((importance * terms).sum())


def gram(values: Floats) -> Floats:
    """[members, members] inner products of ``values`` [members, terms]."""
    count, terms = values.shape
    found = np.zeros((count, count))
    block = max(MOST_OF_ONE_THREAD // (count * count), 1)
    for start in range(0, terms, block):
        part = np.ascontiguousarray(values[:, start : start + block])
        found += part @ part.T
    return found
