"""The paper's two tables (Liu & Liu 2018, arXiv 1808.06739), as far as the benchmarks need them."""

from __future__ import annotations

from dataclasses import dataclass

from gapsack.selection.units import MIB


@dataclass(frozen=True)
class PaperModel:
    """One row of Table 1: a Gated NetVLAD model after checkpoint averaging, stored as float16.

    ``gap`` is in (0, 1]; ``size_bytes`` is the printed size, rounded to a byte.
    """

    code: str
    clusters: int
    hidden: int
    float16_mib: float
    gap: float

    @property
    def size_bytes(self) -> int:
        return round(self.float16_mib * MIB)


@dataclass(frozen=True)
class PaperEnsemble:
    """One row of Table 2: members by their codes, and the printed validation GAP."""

    members: str
    gap: float


TABLE_1 = (
    PaperModel("Y", 24, 1440, 381.40, 0.8744),
    PaperModel("G", 32, 1280, 358.85, 0.8731),
    PaperModel("F", 100, 800, 339.76, 0.8721),
    PaperModel("X", 16, 1280, 316.21, 0.8718),
    PaperModel("H", 32, 1024, 286.85, 0.8717),
    PaperModel("K", 20, 960, 245.31, 0.8717),
    PaperModel("L", 16, 800, 199.61, 0.8712),
    PaperModel("J", 64, 512, 186.11, 0.8702),
    PaperModel("A", 100, 400, 180.93, 0.8685),
    PaperModel("N", 32, 600, 174.20, 0.8684),
    PaperModel("S", 32, 512, 151.85, 0.8683),
    PaperModel("O", 16, 512, 134.71, 0.8665),
    PaperModel("T", 8, 512, 126.15, 0.8660),
    PaperModel("Q", 16, 400, 110.50, 0.8658),
    PaperModel("E", 10, 400, 105.47, 0.8644),
    PaperModel("R", 32, 256, 88.85, 0.8616),
    PaperModel("M", 10, 300, 85.58, 0.8605),
    PaperModel("P", 16, 256, 80.21, 0.8594),
)

# GFAB (0.8808) is left out: its member B is in no table.
TABLE_2 = (
    PaperEnsemble("YHLS", 0.8821),
    PaperEnsemble("YFH", 0.8819),
    PaperEnsemble("GHLS", 0.8818),
    PaperEnsemble("YGLP", 0.8814),
    PaperEnsemble("YLSQRP", 0.8811),
    PaperEnsemble("GHLRP", 0.8811),
    PaperEnsemble("GFX", 0.8810),
    PaperEnsemble("FJSOQR", 0.8810),
    PaperEnsemble("FJSO", 0.8808),
    PaperEnsemble("LNSOTQP", 0.8803),
    PaperEnsemble("GF", 0.8785),
)

YHLS_WEIGHTS = (0.39, 0.26, 0.21, 0.14)


def size_bytes(members: str) -> int:
    """Bytes of the float16 models with these codes, together."""
    by_code = {model.code: model.size_bytes for model in TABLE_1}
    return sum(by_code[code] for code in members)
