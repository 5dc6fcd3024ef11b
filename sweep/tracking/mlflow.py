"""The few things that gapsack asks of MLflow, with MLflow imported when the first is asked (it takes seconds)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gapsack.selection.errors import InputError
from gapsack.sweep.grid.schema import Tracking
from gapsack.sweep.grid.section import is_remote

Outcome = Literal["FINISHED", "FAILED", "KILLED"]

MAX_BATCH = 100
"""MLflow takes 100 parameters or tags, and 1000 metrics, in one call."""

MAX_PARAMETER_CHARACTERS = 500

URI_VARIABLE = "MLFLOW_TRACKING_URI"

DEFAULTS = {
    # Writes are tried again by sweep.tracking.backlog; MLflow's own seven attempts would hide a dead server for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # Using this project must not report to a third party.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment variables of MLflow, set where the user has not set them."""

LASTING = frozenset(
    (
        "BAD_REQUEST",
        "ENDPOINT_NOT_FOUND",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "NOT_IMPLEMENTED",
        "PERMISSION_DENIED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
        "UNAUTHENTICATED",
    )
)
"""MLflow's error codes that another attempt would meet again."""


def tracking_uri(tracking: Tracking, folder: Path) -> str:
    """The grid's own URI, else $MLFLOW_TRACKING_URI, else a SQLite file in `folder`."""
    return tracking.uri or os.environ.get(URI_VARIABLE) or f"sqlite:///{folder.absolute() / 'mlflow.db'}"


def ui_command(uri: str) -> str:
    """What a person types to look at the runs; for a server, its address is what is opened."""
    return f"open {uri}" if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def may_pass(error: Exception) -> bool:
    """Whether a write that failed so may succeed later: the server is away, the database is locked."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code not in LASTING
    return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)


class MlflowStore:
    """One experiment of a tracking server or database.

    Args:
        uri: MLflow's tracking URI.
        experiment: name of the experiment, made where it is missing.
        artifact_folder: where a new experiment keeps its files when `uri` is a database on this machine; a server
            knows a place of its own.

    Raises:
        InputError: nothing usable is at `uri`.
    """

    def __init__(self, uri: str, experiment: str, artifact_folder: Path) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.uri = uri
        location = None if is_remote(uri) and not uri.startswith("sqlite:") else artifact_folder.absolute().as_uri()
        try:
            self._client = MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(experiment)
            if found is not None and found.lifecycle_stage != "active":
                raise InputError(
                    f"expected an experiment that is in use, but {experiment!r} was deleted in MLflow ({uri}); "
                    "restore it there or set tracking.experiment"
                )
            self.experiment_id = found.experiment_id if found else self._client.create_experiment(experiment, location)
        except (MlflowException, OSError) as error:
            raise InputError(f"expected MLflow at {uri} (tracking.uri), got: {first_line(error)}") from error

    def create_run(self, name: str, tags: Mapping[str, str], *, parent: str | None = None) -> str:
        """A new run, RUNNING; its id."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        family = {} if parent is None else {MLFLOW_PARENT_RUN_ID: parent}
        run = self._client.create_run(self.experiment_id, run_name=name, tags={**tags, **family})
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> bool:
        """Set an existing run back to RUNNING; False when there is no such run any more."""
        from mlflow.exceptions import MlflowException

        try:
            if self._client.get_run(run_id).info.lifecycle_stage != "active":
                return False
        except MlflowException as error:
            if may_pass(error):
                raise
            return False
        self._client.update_run(run_id, status="RUNNING")
        return True

    def log(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        milliseconds: int | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Metrics at one step, parameters and tags, in as few calls as MLflow takes."""
        from mlflow.entities import Metric, Param, RunTag

        at = now_milliseconds() if milliseconds is None else milliseconds
        points = [Metric(key, float(value), at, step) for key, value in (metrics or {}).items()]
        texts = [Param(key, str(value)[:MAX_PARAMETER_CHARACTERS]) for key, value in (params or {}).items()]
        marks = [RunTag(key, value) for key, value in (tags or {}).items()]
        for start in range(0, max(len(points), len(texts), len(marks)), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            self._client.log_batch(run_id, metrics=points[part], params=texts[part], tags=marks[part])

    def artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run."""
        self._client.log_artifact(run_id, str(path), folder)

    def dictionary(self, run_id: str, values: Mapping[str, Any], name: str) -> None:
        """Keep plain values as a JSON file of the run."""
        self._client.log_dict(run_id, dict(values), name)

    def end(self, run_id: str, outcome: Outcome) -> None:
        """Set the run's final status."""
        self._client.set_terminated(run_id, outcome)

    def running_children(self, parent: str) -> list[str]:
        """Ids of the child runs that are still RUNNING."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        found: list[str] = []
        page = None
        while True:
            runs = self._client.search_runs(
                [self.experiment_id],
                f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and attributes.status = 'RUNNING'",
                page_token=page,
            )
            found += [run.info.run_id for run in runs]
            page = runs.token
            if not page:
                return found


def now_milliseconds() -> int:
    """Now, as MLflow counts time."""
    return int(time.time() * 1000)


def first_line(error: BaseException) -> str:
    """An error's message, its first line only."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
