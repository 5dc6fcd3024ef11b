"""How fast the one graph answers: beside the products of its matrices alone, plain Keras models, and LiteRT.

    python -m benchmarks.graph_speed            # half an hour on two busy cores, 1 GB of disk for a while

Ensembles of random weights at the paper's number of classes, batches of generated videos. Everything runs in one
process, one way after the other, in rounds; figures are medians over the rounds. `limit` is the sum of the matrix
products that the members' shapes ask for and nothing else, by `tf.matmul` of matrices that lie in memory; shares are of
its rate. Shares by processor time do not depend on what else the machine does. TensorFlow Serving, which runs the same
SavedModel with weights decoded for every batch, is not measured. TensorFlow keeps its memory from one call to the next,
as in `select evaluate`, for all ways alike; LiteRT has memory of its own, and the threads that its interpreter takes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks.report import RESULTS, save, table
from gapsack.models import checkpoints, precisions, registry, sizes
from gapsack.models.checkpoints import write_weights
from gapsack.models.graph import Member, build_graph
from gapsack.models.graph.formats import load_graph
from gapsack.models.quiet_start import load_tensorflow
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.memory import on_a_line

CLASSES, WIDTH = 3862, 1152
NETVLAD, MOE = "gated_netvlad", "moe"
ENSEMBLES: dict[str, tuple[tuple[str, dict[str, int]], ...]] = {
    "one": ((NETVLAD, {"clusters": 16, "hidden": 128}),),
    "three": (
        (NETVLAD, {"clusters": 16, "hidden": 128}),
        (NETVLAD, {"clusters": 8, "hidden": 64}),
        (NETVLAD, {"clusters": 4, "hidden": 128}),
    ),
    "moe": ((MOE, {"mixtures": 2}),),
}
CASES = (
    "one-video-float16",
    "one-video-int8",
    "one-frame-float16",
    "three-video-float16",
    "three-frame-int8",
    "moe-video-float16",
)
LIMIT = "limit"


class Spent(NamedTuple):
    """Seconds of a call: by the clock, and of all the process's threads together."""

    wall: float
    processor: float


Level = Literal["video", "frame"]


@dataclass(frozen=True)
class Case:
    """An ensemble at a level: `frames` of a video, 1 of float32 at video level."""

    ensemble: str
    level: Level
    precision: str
    frames: int
    batch: int

    def members(self, folder: Path) -> list[Member]:
        """Its members, with weights as a model starts with."""
        chosen = ENSEMBLES[self.ensemble]
        return [self._member(folder, index, 1 / len(chosen), *each) for index, each in enumerate(chosen)]

    def _member(self, folder: Path, index: int, weight: float, family: str, given: dict[str, int]) -> Member:
        from gapsack.models.layers.base import initial_value

        hyperparameters = {**given, "classes": CLASSES, "rgb": 1024, "audio": 128}
        path = folder / f"{self.ensemble}{index}.npz"
        if not path.is_file():
            tensors = sizes.tensors(family, hyperparameters)
            write_weights(path, {tensor.name: initial_value(tensor, index) for tensor in tensors})
        return Member(f"m{index}", family, hyperparameters, self.precision, weight, path, self.frames)

    def inputs(self) -> dict[str, np.ndarray[Any, Any]]:
        """A batch of generated videos, all of the same length, in memory that begins where the reader's does."""
        rng, shape = np.random.default_rng(0), (self.batch, self.frames, WIDTH)
        drawn = (
            rng.standard_normal(shape, np.float32) if self.level == "video" else rng.integers(0, 256, shape, np.uint8)
        )
        frames = on_a_line(drawn.nbytes).view(drawn.dtype).reshape(shape)
        frames[...] = drawn
        return {"frames": frames, "num_frames": np.full(self.batch, self.frames, np.int32)}


def ways(case: Case, folder: Path) -> dict[str, Callable[[], Any]]:
    """What is timed, by name: each answers the batch, but for the limit, which only multiplies."""
    members, task, inputs = case.members(folder), YouTube8M(case.level), case.inputs()
    for name in ("savedmodel", "litert"):
        build_graph(members, folder / name, task=task, format=name)
    once, each = load_graph(folder / "savedmodel", decode_once=True), load_graph(folder / "savedmodel")
    lite, keras = load_graph(folder / "litert"), keras_models(members)
    _check(once.predict(inputs).probabilities, keras(inputs))
    return {
        LIMIT: products(case, members),
        "decoded once": lambda: once.predict(inputs),
        "decoded for every batch": lambda: each.predict(inputs),
        "Keras": lambda: keras(inputs),
        "LiteRT": lambda: lite.predict(inputs),
    }


def _check(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    difference = float(np.abs(found - expected).max())
    if not difference < 1e-5:
        raise AssertionError(f"expected the graph to answer as its Keras models do, got a difference of {difference}")


def keras_models(members: Sequence[Member]) -> Callable[[Mapping[str, Any]], np.ndarray[Any, Any]]:
    """The members' own Keras models in one `tf.function`, their weights rounded as they are stored, and blended."""
    import tensorflow as tf

    models = []
    for member in members:
        model = registry.build(member.family, **member.hyperparameters)
        weights = precisions.roundtrip(checkpoints.read_weights(member.weights), member.precision, member.tensors)
        checkpoints.load_reference_weights(model, weights)
        models.append(model)

    def blended(inputs: Mapping[str, Any]) -> Any:
        outputs = [model(inputs, training=False) for model in models]
        return tf.add_n([output * member.weight for output, member in zip(outputs, members, strict=True)])

    run = tf.function(blended)
    return lambda inputs: run({name: tf.constant(values) for name, values in inputs.items()}).numpy()


def products(case: Case, members: Sequence[Member]) -> Callable[[], Any]:
    """The matrix products of a batch: of every matrix of every member, and of frames by their shares in clusters."""
    import tensorflow as tf

    rng = np.random.default_rng(1)
    pairs = [
        tuple(tf.constant(rng.standard_normal(shape, np.float32)) for shape in shapes)
        for member in members
        for shapes in _product_shapes(case, member)
    ]
    # One element of each result, so that its memory is free for the next.
    run = tf.function(lambda given: [tf.reshape(left @ right, [-1])[0] for left, right in given])
    return lambda: run(pairs)


def _product_shapes(case: Case, member: Member) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    for tensor in member.tensors:
        if tensor.name.endswith("conv2/cluster_weights"):
            features, clusters = tensor.shape
            yield (case.batch * case.frames, features), tensor.shape
            yield (case.batch, clusters, case.frames), (case.batch, case.frames, features)
        elif len(tensor.shape) == 2:
            yield (case.batch, tensor.shape[0]), tensor.shape


def timed(run: Callable[[], Any]) -> Spent:
    """One call."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return Spent(time.perf_counter() - wall, time.process_time() - processor)


def measure(case: Case, rounds: int) -> dict[str, Spent]:
    """Medians over the rounds, by way; each way runs twice before."""
    with tempfile.TemporaryDirectory() as name:
        found = ways(case, Path(name))
        for run in (*found.values(), *found.values()):
            run()
        spent: dict[str, list[Spent]] = {way: [] for way in found}
        for _ in range(rounds):
            for way, run in found.items():
                spent[way].append(timed(run))
    return {way: Spent(*map(statistics.median, zip(*each, strict=True))) for way, each in spent.items()}


def rows(case: Case, found: Mapping[str, Spent]) -> Iterator[list[str]]:
    """A row of the table for each way."""
    limit = found[LIMIT]
    for way, spent in found.items():
        yield [
            f"{case.ensemble}, {case.level}, {case.precision}",
            way,
            f"{case.batch / spent.wall:,.0f}",
            f"{100 * limit.wall / spent.wall:.0f} %",
            f"{spent.processor * 1e3 / case.batch:.3f}",
            f"{100 * limit.processor / spent.processor:.0f} %",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the one graph answers.")
    parser.add_argument("--cases", nargs="+", default=CASES, help="each as ensemble-level-precision")
    parser.add_argument("--frames", type=int, default=64, help="of each video, at frame level")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for graph_speed.json and .txt")
    arguments = parser.parse_args()
    load_tensorflow(keep_memory=True)
    header = ["ensemble", "way", "videos/s", "of the limit", "CPU ms a video", "of the limit's CPU"]
    lines: list[list[str]] = []
    for name in arguments.cases:
        ensemble, given, precision = name.split("-")
        level: Level = "video" if given == "video" else "frame"
        frames = 1 if level == "video" else arguments.frames
        case = Case(ensemble, level, precision, frames, arguments.batch)
        found = list(rows(case, measure(case, arguments.rounds)))
        print(table(header, found), flush=True)
        lines += found
        title = f"batches of {arguments.batch} videos, of {arguments.frames} frames at frame level"
        results = [dict(zip(header, line, strict=True)) for line in lines]
        # After each case: a run that ends early has what it measured.
        save(
            "graph_speed",
            {"rounds": arguments.rounds, "rows": results},
            f"{title}\n{table(header, lines)}",
            arguments.out,
        )


if __name__ == "__main__":
    main()
