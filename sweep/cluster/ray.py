"""Ray in this process, for the time of a block: a session of its own on this machine, or a cluster's.

Whoever imports Ray gives it their signals, and threads of its own that may end the process. Whoever a person started
therefore leaves it to a process of its own (`sweep.cluster.process`, docs/adr/0015).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.logs import logs_are_wanted
from gapsack.sweep.cluster.session import JOB_CONFIG, Session
from gapsack.sweep.grid.schema import Resources
from gapsack.sweep.storage.objects import PATIENCE_VARIABLE

OBJECT_STORE_BYTES = 128 * 2**20
"""Only results of a few numbers pass through Ray's object store; its default takes 30 % of the memory."""


def worker_environment(resources: Resources, inherited: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of the processes that train.

    Thread counts follow from `resources.cpus` alone: sums split over another number of threads round differently,
    so a trial's result would depend on how many others run beside it. GPU memory is taken as it is needed, because
    several trials may share a GPU.
    """
    threads = str(max(1, int(resources.cpus)))
    fixed = {
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    defaults = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    asked = {PATIENCE_VARIABLE: inherited[PATIENCE_VARIABLE]} if PATIENCE_VARIABLE in inherited else {}
    return fixed | {name: inherited.get(name, value) for name, value in defaults.items()} | asked


@contextmanager
def ray_session(
    session: Session,
    resources: Resources,
    largest: Mapping[str, float],
    *,
    address: str | None = None,
    wait: bool = False,
) -> Iterator[None]:
    """Ray for the time of the block: processes of its own on this machine, or a cluster's at `address`.

    The environment has the `session_variables`. Workers get an empty folder as working directory. Otherwise Ray would
    put the driver's working directory first on their `sys.path`, where a folder named as a package would hide it.

    `largest` is the most that a trial needs of each kind, by Ray's names. With `wait` a node that has that may still
    come, as in a cluster that grows with what is asked of it.

    Raises:
        InputError: a trial needs more than any node has, or nothing answers at `address`.
    """
    import ray

    empty = session.folder / "empty"
    empty.mkdir(exist_ok=True)
    # Failures are reported as trials' reasons; Tune's own log would show each as a page of stack trace.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    runtime: dict[str, object] = {"working_dir": str(empty), "env_vars": worker_environment(resources, os.environ)}
    try:
        if address is None:
            ray.init(
                address="local",  # never a cluster that happens to run on this machine
                include_dashboard=False,
                log_to_driver=logs_are_wanted(),
                logging_level=_level(),
                object_store_memory=OBJECT_STORE_BYTES,
                runtime_env=runtime,
                _temp_dir=str(session.folder / "ray"),
            )
        else:
            _connect(address, within_job(runtime, os.environ))
        if not wait:
            check_resources(largest, node_resources(), address)
        yield
    finally:
        ray.shutdown()


def within_job(runtime: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, object]:
    """What workers get of our environment, where this is a job of the cluster: a job's own working folder stays.

    Ray joins the rest by itself: environment variables of both, ours before the job's; the job's packages.
    """
    config = json.loads(environment.get(JOB_CONFIG) or "{}")
    job = config.get("runtime_env") or {}
    return {key: value for key, value in runtime.items() if key != "working_dir" or "working_dir" not in job}


def _level() -> str:
    return "INFO" if logs_are_wanted() else "ERROR"


def end_without_node() -> None:
    """End this process when Ray's only node, this machine, has died: calls would wait for another one for ever."""
    import ray

    if not any(node["Alive"] for node in ray.nodes()):
        sys.stderr.write("Ray's own process on this machine, the raylet, is dead\n")
        sys.stderr.flush()
        os._exit(1)  # an orderly end would wait for it too


def _connect(address: str, runtime: dict[str, object]) -> None:
    """Join the cluster at `address`."""
    import ray

    try:
        ray.init(address=address, log_to_driver=logs_are_wanted(), logging_level=_level(), runtime_env=runtime)
    except (ConnectionError, ValueError) as error:
        raise InputError(f"expected a Ray cluster at {address}, got: {error}") from error


def node_resources() -> list[Mapping[str, float]]:
    """What each living node has, by Ray's names."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_resources(needed: Mapping[str, float], nodes: Sequence[Mapping[str, float]], address: str | None) -> None:
    """Refuse a trial that can never start; Tune would wait for it for ever.

    Raises:
        InputError: naming what is short.
    """
    short = shortage(needed, nodes)
    if short is None:
        return
    where = "this machine" if address is None else f"any node of the cluster at {address}"
    raise InputError(f"resources: expected what one trial needs to be there, got {short} on {where}")


def shortage(needed: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> str | None:
    """What no node has of what one trial needs, in words; None where it fits a node.

    Both are by Ray's names: amounts of "CPU" and "GPU", and bytes of "memory".
    """
    kinds = [("CPU", "CPUs", 1), ("GPU", "GPUs", 1), ("memory", "GiB of memory", 2**30)]
    asked = [(name, unit, needed.get(name, 0) / size, size) for name, unit, size in kinds if needed.get(name, 0)]
    if any(all(node.get(name, 0) / size >= amount for name, _, amount, size in asked) for node in nodes):
        return None
    for name, unit, amount, size in asked:
        most = max((node.get(name, 0) / size for node in nodes), default=0)
        if amount > most:
            return f"{amount:g} {unit} asked for and {most:g}"
    whole = " and ".join(f"{amount:g} {unit}" for _, unit, amount, _ in asked)
    return f"{whole} asked for, and each but not together"
