"""What a run was made with: versions, machine, and the git commit of the folder it was started in."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("gapsack", "tensorflow", "keras", "jax", "numpy", "ray", "optuna", "mlflow")


def environment(folder: Path) -> dict[str, str]:
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
