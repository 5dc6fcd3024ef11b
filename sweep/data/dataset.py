"""What a data set does: batches of examples for training, for evaluation, and for the built graph.

A data set belongs to a task and is found by the task's name. It knows no model: what a task says of the data comes as
the plain values of `Task.to_dict`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, Self

from gapsack.sweep.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gapsack.sweep.data.faults import Faults

GROUP = "gapsack.datasets"
"""Entry points of other projects: by the name of a task, a function from its description to a `Dataset`."""


class Examples(Protocol):
    """A batch: ids, inputs by name, labels bool [examples, classes]; and from where training goes on after it."""

    @property
    def video_ids(self) -> NDArray[np.str_]:
        """Ids [examples], as pools hold them."""

    @property
    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """Arrays [examples, ...] by name."""

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Dense ground truth."""

    @property
    def resume(self) -> dict[str, Any] | None:
        """Plain data for `Dataset.training`; None in evaluation."""


class Batches(Iterator[Examples], Protocol):
    """A stream of batches, made ahead by threads or not; a context manager that ends them."""

    @property
    def wait_seconds(self) -> float:
        """How long the consumer has waited so far."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(self, *_: object) -> None:
        """Stop the threads and wait for them."""


class Dataset(Protocol):
    """Files of one kind, read for models. The suite `tests/contracts/test_dataset.py` is what it must do.

    `sample_frames` and `whole` are those of `models.tasks.View`, and of no effect where examples have no frames. Faulty
    records are left out and counted in `faults`, which no other stream should share.
    """

    @property
    def classes(self) -> int:
        """Columns of `labels`."""

    def training(
        self,
        files: Sequence[str],
        *,
        batch_size: int,
        sample_frames: int,
        whole: bool,
        seed: int,
        faults: Faults,
        resume: dict[str, Any] | None = None,
    ) -> Batches:
        """Endless shuffled batches; the same files, sizes and seed give the same ones, and the `resume` of a batch
        exactly those after it."""

    def evaluation(
        self, files: Sequence[str], *, batch_size: int, sample_frames: int, whole: bool, faults: Faults
    ) -> Batches:
        """One pass in the order of the files, the last batch smaller."""

    def raw(self, files: Sequence[str], *, batch_size: int, faults: Faults) -> Batches:
        """As `evaluation`, with inputs as the built graph takes them."""


def dataset_of(task: Mapping[str, Any]) -> Dataset:
    """The data set of a task, from `Task.to_dict`.

    Raises:
        ConfigError: There is none for a task of that name.
    """
    from gapsack.sweep.data.arrays import Arrays
    from gapsack.sweep.data.videos import Videos

    known: dict[str, Callable[[Mapping[str, Any]], Dataset]] = {"youtube8m": Videos.of_task, "dense": Arrays.of_task}
    name = str(task["name"])
    if name in known:
        return known[name](task)
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise ConfigError(f"expected data of a task that can be read ({', '.join({*known, *points})}), got {name!r}")
    made: Dataset = points[name].load()(task)
    return made
