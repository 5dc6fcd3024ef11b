"""How fast a training step is, beside the authors' formulation and beside what the machine can do at all.

    python -m benchmarks.train_step compare                                  # needs TensorFlow
    KERAS_BACKEND=jax python -m benchmarks.train_step roofline --batch 160   # needs Keras, JAX and numpy; a GPU if any

`compare` trains both formulations, and ours without its kernels, from the same weights on the same random batches, turn
by turn, checks that the losses agree to 1e-4 at every step, and prints videos per second, and the ratio by wall time
and by CPU time, which says more on a machine that others use as well. `roofline` prints videos per second beside the
limit given by counted operations over the measured rate of matrix products and counted bytes over the measured memory
bandwidth.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.step_cost import step_cost
from gapsack.models import registry
from gapsack.models.training import Recipe, Trainer
from gapsack.selection.memory import on_a_line

CLASSES = 3862
LOSS_TOLERANCE = 1e-4
PAPER_STEPS = 200_000
# The 28 trained (K, H): the 18 of the paper's Table 1, and the 10 that its filter dropped.
PAPER_GRID = [
    *(
        "24-1440",
        "32-1280",
        "100-800",
        "16-1280",
        "32-1024",
        "20-960",
        "16-800",
        "64-512",
        "100-400",
        "32-600",
        "32-512",
    ),
    *("16-512", "8-512", "16-400", "10-400", "32-256", "10-300", "16-256"),
    *("20-1600", "64-1024", "150-600", "128-512", "16-1024", "32-400", "128-1024", "8-1024", "32-800", "8-800"),
]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["compare", "roofline"])
    parser.add_argument("--models", nargs="+", help="K-H pairs, such as 16-512")
    parser.add_argument("--batch", type=int, default=80, help="videos a step (80)")
    parser.add_argument("--frames", type=int, default=300, help="frames a video (300)")
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--steps", type=int, default=20, help="timed steps (20)")
    parser.add_argument("--compute", nargs="+", default=["float32"], choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args(arguments)
    rows = list((compare if options.what == "compare" else roofline)(options))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def compare(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Plain, ours, and ours without the kernels in turn, from the same weights on the same batches."""
    from benchmarks.plain_step import PlainTrainer

    rates = measured_rates("float32")
    print_rates("float32", rates)
    print(
        f"{'model':>10} {'compute':>9} {'plain v/s':>10} {'ours v/s':>9} {'ratio':>6} {'CPU ratio':>9} "
        f"{'ours without the kernels v/s':>28} {'limit v/s':>9} {'loss error':>10}"
    )
    for name, compute in [(name, c) for name in options.models or ["16-512", "32-1024"] for c in options.compute]:
        hyperparameters = parsed(name, options.classes)
        ours, without = (
            Trainer(registry.build("gated_netvlad", **hyperparameters), recipe(options, compute, kernels))
            for kernels in ("auto", "plain")
        )
        plain = PlainTrainer(hyperparameters, ours.weights())
        batches = random_batches(options, 4)

        # On a CPU all are done when they return; a sweep takes its loss once in many steps.
        clocks = {
            "plain": Clock(plain.train_step),
            "ours": Clock(partial(step_on_frames, ours)),
            "without": Clock(partial(step_on_frames, without)),
        }
        errors = []
        for step in range(options.steps):
            expected, *_ = [clock(*batches[step % len(batches)]) for clock in clocks.values()]
            errors += [abs(trainer.take_loss() / expected - 1) for trainer in (ours, without)]
        cost = step_cost(hyperparameters, batch=options.batch, frames=options.frames)
        row = {
            "model": name,
            "compute": compute,
            "plain_videos_per_second": options.batch / clocks["plain"].wall_seconds,
            "ours_videos_per_second": options.batch / clocks["ours"].wall_seconds,
            "without_kernels_videos_per_second": options.batch / clocks["without"].wall_seconds,
            "kernels": ours.kernels,
            "kernels_ratio": clocks["without"].wall_seconds / clocks["ours"].wall_seconds,
            "kernels_cpu_ratio": clocks["without"].cpu_seconds / clocks["ours"].cpu_seconds,
            "ratio": clocks["plain"].wall_seconds / clocks["ours"].wall_seconds,
            "cpu_ratio": clocks["plain"].cpu_seconds / clocks["ours"].cpu_seconds,
            "limit_videos_per_second": options.batch / cost.seconds(*rates),
            "largest_loss_error": max(errors),
            "operations": cost.operations,
            "moved_bytes": cost.moved_bytes,
        }
        print(
            f"{'K' + name.replace('-', '-H'):>10} {compute:>9} {row['plain_videos_per_second']:10.1f} "
            f"{row['ours_videos_per_second']:9.1f} {row['ratio']:6.2f} {row['cpu_ratio']:9.2f} "
            f"{row['without_kernels_videos_per_second']:28.1f} {row['limit_videos_per_second']:9.1f} "
            f"{row['largest_loss_error']:10.1e}",
            flush=True,
        )
        if compute == "float32" and max(errors) > LOSS_TOLERANCE:
            raise SystemExit(f"expected the same losses to {LOSS_TOLERANCE}, got an error of {max(errors):.1e}")
        yield row
        del ours, without, plain, clocks
        gc.collect()


def roofline(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Ours beside the machine's limit, and what the paper's whole grid would take."""
    for compute in options.compute:
        rates = measured_rates(compute)
        print_rates(compute, rates)
        print(
            f"{'model':>10} {'compute':>9} {'videos/s':>9} {'ms/step':>8} {'GFLOP':>8} {'GB':>6} {'limit v/s':>9} "
            f"{'of limit':>8}"
        )
        shares = []
        for name in options.models or ["8-512", "16-800", "24-1440"]:
            hyperparameters = parsed(name, options.classes)
            trainer = Trainer(registry.build("gated_netvlad", **hyperparameters), recipe(options, compute))
            seconds = step_seconds(trainer, on_device(random_batches(options, 2)), options.steps)
            cost = step_cost(hyperparameters, batch=options.batch, frames=options.frames)
            shares.append(cost.seconds(*rates) / seconds)
            print(
                f"{'K' + name.replace('-', '-H'):>10} {compute:>9} {options.batch / seconds:9.1f} {1e3 * seconds:8.2f} "
                f"{cost.operations / 1e9:8.1f} {cost.moved_bytes / 1e9:6.2f} "
                f"{options.batch / cost.seconds(*rates):9.1f} {shares[-1]:8.0%}",
                flush=True,
            )
            yield {
                "model": name,
                "compute": compute,
                "videos_per_second": options.batch / seconds,
                "seconds_per_step": seconds,
                "operations": cost.operations,
                "moved_bytes": cost.moved_bytes,
                "share_of_limit": shares[-1],
            }
            del trainer
            gc.collect()
        grid_hours = grid_seconds(options, rates, min(shares)) / 3600
        print(
            f"the paper's 28 models, {PAPER_STEPS} steps each at batch {options.batch}, at the lowest share above: "
            f"{grid_hours:.1f} hours on this device"
        )
        yield {"compute": compute, "paper_grid_hours": grid_hours}


def grid_seconds(options: argparse.Namespace, rates: tuple[float, float], share: float) -> float:
    """Time of the paper's whole grid, one model after the other, each step at this share of its limit."""
    costs = [step_cost(parsed(name, CLASSES), batch=options.batch, frames=options.frames) for name in PAPER_GRID]
    return PAPER_STEPS * sum(cost.seconds(*rates) for cost in costs) / share


def step_seconds(trainer: Trainer, batches: list[Any], steps: int) -> float:
    """Mean time of a step in a run of steps that is waited for at its end only."""
    for frames, labels in batches:
        trainer.train_step({"frames": frames}, labels)
    trainer.take_loss()
    started = time.perf_counter()
    for step in range(steps):
        frames, labels = batches[step % len(batches)]
        trainer.train_step({"frames": frames}, labels)
    trainer.take_loss()
    return (time.perf_counter() - started) / steps


def measured_rates(compute: str) -> tuple[float, float]:
    """Operations per second of square matrix products in this type, and bytes per second of copying, on this device."""
    import keras
    from keras import ops

    size, length = (8192, 2**28) if has_gpu() else (2048, 2**26)
    matrix = ops.cast(keras.random.normal((size, size), seed=0), compute)
    vector = ops.cast(keras.random.normal((length,), seed=1), "float32")
    product_seconds = best_seconds(compiled(ops.matmul), matrix, matrix)
    copy_seconds = best_seconds(compiled(ops.negative), vector)
    return 2 * size**3 / product_seconds, 2 * 4 * length / copy_seconds


def best_seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """Shortest of a few groups of calls, each group waited for."""
    import keras

    def wait(result: Any) -> None:
        keras.ops.convert_to_numpy(keras.ops.ravel(result)[:1])

    wait(function(*arguments))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(4):
            result = function(*arguments)
        wait(result)
        seconds.append((time.perf_counter() - started) / 4)
    return min(seconds)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled by the Keras backend."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=has_gpu())


def has_gpu() -> bool:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def on_device(batches: list[Any]) -> list[Any]:
    """Batches in the device's memory, so that the step alone is timed."""
    from keras import ops

    return [(ops.convert_to_tensor(frames), ops.convert_to_tensor(labels)) for frames, labels in batches]


class Clock:
    """Median wall time and CPU time of a function's calls, the first (which compiles) left out."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls: list[tuple[float, float]] = []

    def __call__(self, *arguments: Any) -> Any:
        before, started = cpu_seconds(), time.perf_counter()
        result = self.function(*arguments)
        self.calls.append((time.perf_counter() - started, cpu_seconds() - before))
        return result

    @property
    def wall_seconds(self) -> float:
        return statistics.median(wall for wall, _ in self.calls[1:])

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(cpu for _, cpu in self.calls[1:])


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def recipe(options: argparse.Namespace, compute: str, kernels: str = "auto") -> Recipe:
    return Recipe(batch_size=options.batch, compute=compute, kernels=kernels)  # type: ignore[arg-type]


def step_on_frames(trainer: Trainer, frames: Any, labels: Any) -> None:
    trainer.train_step({"frames": frames}, labels)


def parsed(name: str, classes: int) -> dict[str, int]:
    clusters, hidden = map(int, name.split("-"))
    return {"clusters": clusters, "hidden": hidden, "classes": classes}


def random_batches(options: argparse.Namespace, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """uint8 frames [batch, frames, 1152], in memory as the reader hands it out, and about 3 labels a video."""
    generator = np.random.default_rng(0)
    batches = []
    for _ in range(count):
        frames = on_a_line(options.batch * options.frames * 1152).reshape(options.batch, options.frames, 1152)
        frames[:] = generator.integers(0, 256, frames.shape, dtype=np.uint8)
        batches.append((frames, generator.random((options.batch, options.classes)) < 3 / options.classes))
    return batches


def print_rates(compute: str, rates: tuple[float, float]) -> None:
    print(
        f"\n{compute}: matrix products {rates[0] / 1e9:,.0f} GFLOP/s, memory {rates[1] / 1e9:,.0f} GB/s, measured here"
    )


if __name__ == "__main__":
    main()
