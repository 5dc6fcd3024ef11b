"""How wide the processor's vectors are, and which tiles of results its registers hold."""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding  # type: ignore[import-untyped]  # comes with numba
from numba import config


@dataclass(frozen=True)
class Tiling:
    """Shapes of tiles, rows by vectors: all sums of a tile, a row's vectors and one factor fit into the registers.

    Attributes:
        simd_width: float32 values of a vector.
        product: of a batch's or a matrix's rows by columns.
    """

    simd_width: int
    product: tuple[int, int]


# 32 registers of 512 bits, 32 of 128 (ARM), or 16 of 256 bits. Two operations a cycle that take four need eight sums.
WIDE = Tiling(16, product=(8, 3))
NEON = Tiling(4, product=(8, 3))
NARROW = Tiling(8, product=(6, 2))


def tiling(features: str) -> Tiling:
    """The tiling for a processor, from its features as LLVM spells them: "+avx2,+fma,-avx512f"."""
    there = set(features.split(","))
    if "+avx512f" in there:
        return WIDE
    return NEON if "+neon" in there else NARROW


def host_features() -> str:
    """Features of the processor that numba compiles for: this machine's, unless NUMBA_CPU_FEATURES names others."""
    wanted: str | None = config.CPU_FEATURES
    found: str = binding.get_host_cpu_features().flatten() if wanted is None else wanted
    return found


TILING = tiling(host_features())


def padded(size: int, multiple: int) -> int:
    """The size up to a whole multiple."""
    return -(-size // multiple) * multiple
