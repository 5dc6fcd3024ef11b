"""What another person needs to repeat a run or a trial: data files, machine, device, versions, the git commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import google_crc32c

from gapsack.sweep.data.parts import part_of
from gapsack.sweep.data.storage.files import sizes_bytes
from gapsack.sweep.runs.checksums import Checksums
from gapsack.sweep.runs.devices import device_name

PACKAGES = ("gapsack", "tensorflow", "keras", "jax", "numpy", "ray", "optuna", "mlflow")


def file_list_summary(paths: Sequence[str], checksums: Checksums | None) -> dict[str, Any]:
    """Number and bytes of data files, and CRC-32Cs of their list, in their order.

    `list_crc32c` is of one line `<name> <bytes>` a file, `crc32c` of their sorted lines in the run's checksums.txt: of
    their contents or their ends, as `crc32c_of` says; the latter two are missing where the run has no such file.
    """
    files = [part_of(path).file for path in paths]
    sizes = sizes_bytes(files)
    lines = "".join(f"{path.rsplit('/', 1)[-1]} {size}\n" for path, size in zip(paths, sizes, strict=True))
    summary: dict[str, Any] = {"files": len(paths), "bytes": sum(sizes)}
    summary["list_crc32c"] = f"{google_crc32c.value(lines.encode()):08x}"
    combined = None if checksums is None else checksums.combined(files)
    if checksums is not None and combined is not None:
        summary |= {"crc32c": combined, "crc32c_of": checksums.of}
    return summary


def run_environment(folder: Path) -> dict[str, str]:
    """Versions and machine by name, `env.…`; and the git commit that `folder` belongs to, under MLflow's own name."""
    found = {
        "env.python": platform.python_version(),
        "env.platform": platform.platform(),
        "env.cpus": str(os.cpu_count()),
        "env.host": platform.node(),
        **{f"env.{name}": text for name, text in versions().items()},
    }
    commit = git_commit(folder)
    return found if commit is None else {**found, "mlflow.source.git.commit": commit}


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on, read without importing them."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out around `folder`, or None where there is no git or no repository."""
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def trial_environment() -> dict[str, str]:
    """Versions, machine and device of this process, whose backend is up."""
    import keras

    return {
        **versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "device": device_name(keras.backend.backend()),
    }
