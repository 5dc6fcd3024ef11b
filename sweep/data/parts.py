"""Names of parts of data files: some of a file's items are held out, the rest trains.

A part is named like a file, `train.npz#held_out=37,seed=0` and `train.npz#rest=37,seed=0`, and goes wherever files go:
into a run's lists, its records and its fingerprints. So it is the same part wherever the file lies.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapsack.sweep.data.files import Split
from gapsack.sweep.errors import ConfigError

_NAME = re.compile(r"(?P<file>.*)#(?P<which>held_out|rest)=(?P<count>[0-9]+),seed=(?P<seed>[0-9]+)", re.DOTALL)


class FilePart(NamedTuple):
    """A file, or some of its items: the `held_out` ones that `seed` draws, or with `rest` all others."""

    file: str
    held_out: int | None = None
    seed: int = 0
    rest: bool = False

    def __str__(self) -> str:
        if self.held_out is None:
            return self.file
        return f"{self.file}#{'rest' if self.rest else 'held_out'}={self.held_out},seed={self.seed}"

    def rows(self, count: int) -> NDArray[np.int64]:
        """Which of the file's `count` items are in it, ascending; the name of the file without its folder decides, too.

        Raises:
            ConfigError: the file has fewer than are held out.
        """
        if self.held_out is None:
            return np.arange(count)
        if self.held_out > count:
            raise ConfigError(f"expected at least {self.held_out} items, as {self} says, got {count}")
        name = zlib.crc32(PurePath(self.file).name.encode())
        drawn = np.random.default_rng((self.seed, name)).permutation(count)
        return np.sort(drawn[self.held_out :] if self.rest else drawn[: self.held_out])


def part_of(name: str) -> FilePart:
    """The part of that name; a plain file is all of itself."""
    found = _NAME.fullmatch(name)
    if found is None:
        return FilePart(name)
    return FilePart(found["file"], int(found["count"]), int(found["seed"]), found["which"] == "rest")


def files_of(names: Iterable[str]) -> list[str]:
    """The files of parts, each once, in their order."""
    return list(dict.fromkeys(part_of(name).file for name in names))


def split_items(files: Sequence[str], counts: Sequence[int], held_out: int, seed: int) -> Split:
    """Hold `held_out` items out of all, each as likely as any other; `counts` are those of the files.

    Raises:
        ConfigError: there are not so many, or none would be left to train on.
    """
    total = sum(counts)
    if not 1 <= held_out < total:
        raise ConfigError(
            f"data.holdout must leave items to train on and hold some out, got {held_out} of {total} held out"
        )
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(list(counts), held_out)
    train, holdout = [], []
    for file, count, own in zip(files, counts, drawn.tolist(), strict=True):
        if own < count:
            train.append(str(FilePart(file, own, seed, rest=True)) if own else file)
        if own > 0:
            holdout.append(str(FilePart(file, own, seed)) if own < count else file)
    return Split(tuple(train), tuple(holdout))
