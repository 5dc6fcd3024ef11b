"""MLflow: the few things that gapsack asks of it, with MLflow imported when the first is asked (it takes seconds)."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.remote import is_url
from gapsack.sweep.tracking.place import local_path
from gapsack.sweep.tracking.store import (
    ChildRun,
    GraphModel,
    MetricPoint,
    RunContent,
    RunOutcome,
    TrainedModel,
    UsedData,
    first_line,
)
from gapsack.sweep.tracking.stores.mlflow_database import alone_in, commit_quickly, follow_move

MAX_BATCH = 100
"""MLflow takes 100 parameters or tags in one call,"""
MAX_POINTS = 800
"""and 1000 metrics, parameters and tags in all."""

MAX_PARAMETER_CHARACTERS = 500

NOT_IN_MODEL_NAMES = re.compile(r"[/:.%\"']")
"""Characters that MLflow refuses in the name of a model."""

UI_ADDRESS = "http://127.0.0.1:5000"
"""Where `mlflow ui` serves unless told otherwise."""

DATABASE_TAG = "gapsack.database"
"""Of an experiment: where its database was when it was opened last."""

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


def open_store(uri: str, experiment: str, folder: Path, *, create: bool = True) -> MlflowStore:
    """The experiment at MLflow's tracking URI; see `stores.Opener`.

    A database on this machine keeps files in `mlruns` in `folder`. When it has moved since it was opened last, so have
    they: its paths follow.
    """
    return MlflowStore(uri, experiment, folder / "mlruns", create=create)


class MlflowStore:
    """One experiment of a tracking server or database.

    Args:
        uri: MLflow's tracking URI.
        experiment: name of the experiment, made where it is missing.
        artifact_folder: where a new experiment keeps its files when `uri` is a database on this machine; a server
            knows a place of its own.
        create: whether database and experiment may be made.

    Raises:
        InputError: nothing usable is at `uri`, or not the experiment.
    """

    def __init__(self, uri: str, experiment: str, artifact_folder: Path, *, create: bool = True) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        self.uri = uri
        self._places: dict[str, str] = {}
        """Where files of runs go that were made here and have not ended."""
        database = local_path(uri)
        if database is not None and not create and not database.is_file():
            raise InputError(f"expected the MLflow database {database}, in which the run is recorded; it is not there")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            with _opening(database):
                self._client = MlflowClient(tracking_uri=uri)
                self.experiment_id = self._experiment(experiment, artifact_folder, create)
                if database is not None and create:
                    self._client.set_experiment_tag(self.experiment_id, DATABASE_TAG, str(database))
        except (MlflowException, OSError, sqlite3.Error) as error:
            raise InputError(f"expected MLflow at {uri} (tracking.uri), got: {first_line(error)}") from error

    @property
    def view(self) -> str:
        """The address of the experiment's runs; of a database, behind the command that serves it."""
        if self.uri.startswith("http"):
            return f"open {self._page(self.uri)}"
        return f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}  # then open {self._page(UI_ADDRESS)}"

    def _page(self, address: str) -> str:
        # Without the last part MLflow shows traces, of which there are none.
        return f"{address.rstrip('/')}/#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"

    def may_pass(self, error: Exception) -> bool:
        """See `TrackerStore`."""
        from mlflow.exceptions import MlflowException

        if isinstance(error, MlflowException):
            return error.error_code not in LASTING
        return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)

    def create_run(
        self, name: str, tags: Mapping[str, str], *, parent: str | None = None, milliseconds: int | None = None
    ) -> str:
        """See `TrackerStore`."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        family = {} if parent is None else {MLFLOW_PARENT_RUN_ID: parent}
        run = self._client.create_run(
            self.experiment_id, start_time=milliseconds, run_name=name, tags={**tags, **family}
        )
        self._places[run.info.run_id] = run.info.artifact_uri
        return str(run.info.run_id)

    def resume(self, run_id: str) -> None:
        """See `TrackerStore`."""
        self._client.update_run(run_id, status="RUNNING")

    def content(self, run_id: str) -> RunContent | None:
        """See `TrackerStore`."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if self.may_pass(error):
                raise
            return None
        if run.info.lifecycle_stage != "active" or run.info.experiment_id != self.experiment_id:
            return None
        histories = (self._client.get_metric_history(run_id, key) for key in run.data.metrics)
        places = {(point.key, point.step) for history in histories for point in history}
        return RunContent(run.info.status, dict(run.data.params), dict(run.data.tags), dict(run.data.metrics), places)

    def children(self, parent: str) -> list[ChildRun]:
        """See `TrackerStore`."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        found: list[ChildRun] = []
        page = None
        while True:
            runs = self._client.search_runs(
                [self.experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'", page_token=page
            )
            found += [
                ChildRun(run.info.run_id, run.info.run_name, run.info.status, dict(run.data.tags), run.info.start_time)
                for run in runs
            ]
            page = runs.token
            if not page:
                return found

    def log(
        self,
        run_id: str,
        *,
        points: Sequence[MetricPoint] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        model: TrainedModel | None = None,
        new: bool = False,
    ) -> None:
        """See `TrackerStore`; in as few calls as MLflow takes."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [] if model is None else self._model_metrics(run_id, model, new)
        metrics += [Metric(point.key, point.value, point.milliseconds, point.step) for point in points]
        texts = [Param(key, str(value)[:MAX_PARAMETER_CHARACTERS]) for key, value in (params or {}).items()]
        marks = [RunTag(key, value) for key, value in (tags or {}).items()]
        while metrics or texts or marks:
            is_rest = len(metrics) <= MAX_POINTS and len(texts) <= MAX_BATCH
            now = marks[:MAX_BATCH] if is_rest else []
            self._client.log_batch(run_id, metrics=metrics[:MAX_POINTS], params=texts[:MAX_BATCH], tags=now)
            metrics, texts, marks = metrics[MAX_POINTS:], texts[MAX_BATCH:], marks[len(now) :]

    def artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """See `TrackerStore`."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        place = self._places.get(run_id)
        if place is None:
            self._client.log_artifact(run_id, str(path), folder)
        else:  # without asking for the place of a run that was just made
            get_artifact_repository(place, tracking_uri=self.uri).log_artifact(str(path), folder)

    def dictionary(self, run_id: str, values: Mapping[str, Any], name: str) -> None:
        """See `TrackerStore`."""
        self._client.log_dict(run_id, dict(values), name)

    def data(self, run_id: str, data: Sequence[UsedData]) -> None:
        """See `TrackerStore`."""
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

        self._client.log_inputs(
            run_id,
            [
                DatasetInput(
                    Dataset(each.name, each.digest, "gapsack", json.dumps(dict(each.source))),
                    [InputTag(MLFLOW_DATASET_CONTEXT, each.role)],
                )
                for each in data
            ],
        )

    def _model_metrics(self, run_id: str, model: TrainedModel, new: bool) -> list[Any]:
        """Make what the run made a logged model without files of its own; its figures, as far as it lacks them."""
        from mlflow.entities import LoggedModelOutput, Metric

        name = NOT_IN_MODEL_NAMES.sub("_", model.name)
        told = (
            []
            if new
            else self._client.search_logged_models(
                [self.experiment_id], f"source_run_id = '{run_id}' and name = '{name}'"
            )
        )
        params = {key: str(value)[:MAX_PARAMETER_CHARACTERS] for key, value in model.params.items()}
        kept = (
            told[0]
            if told
            else self._client.create_logged_model(
                self.experiment_id, name, run_id, dict(model.tags), params, model_type=model.kind
            )
        )
        known = {(metric.key, metric.value) for metric in kept.metrics or ()}
        lacking = [point for point in model.figures if (point.key, point.value) not in known]
        # A value that the run has already keeps its time, or it would be there twice.
        run = None if new else self._client.get_run(run_id)
        times = {} if run is None else self._times(run, lacking)
        if not told or told[0].status != "READY":
            self._client.finalize_logged_model(kept.model_id, "READY")
        outputs = () if run is None else run.outputs.model_outputs
        if kept.model_id not in {output.model_id for output in outputs}:
            step = max((point.step for point in model.figures), default=0)
            self._client.log_outputs(run_id, [LoggedModelOutput(kept.model_id, step)])
        return [
            Metric(
                point.key, point.value, times.get(point, point.milliseconds), point.step, kept.model_id, run_id=run_id
            )
            for point in lacking
        ]

    def _times(self, run: Any, points: Sequence[MetricPoint]) -> dict[MetricPoint, int]:
        """When the values of an MLflow run were measured, of those points that it has."""
        latest = run.data.metrics
        return {
            point: told.timestamp
            for point in points
            if latest.get(point.key) == point.value
            for told in self._client.get_metric_history(run.info.run_id, point.key)
            if (told.step, told.value) == (point.step, point.value)
        }

    def graph(self, run_id: str, graph: GraphModel) -> str | None:
        """See `TrackerStore`; what `mlflow.pyfunc.load_model` takes."""
        from gapsack.sweep.tracking.stores.mlflow_models import log_graph

        return log_graph(self._client, self.uri, run_id, graph)

    def end(self, run_id: str, outcome: RunOutcome, *, milliseconds: int | None = None) -> None:
        """See `TrackerStore`."""
        self._client.set_terminated(run_id, outcome, milliseconds)
        self._places.pop(run_id, None)

    def _experiment(self, name: str, artifact_folder: Path, create: bool) -> str:
        """The experiment's id; made, if it may be, where it is missing."""
        from mlflow.exceptions import MlflowException

        known = self._known_experiment(name)
        if known is None and not create:
            raise InputError(f"expected the experiment {name!r} in MLflow at {self.uri}, in which the run is recorded")
        if known is None:
            on_server = is_url(self.uri) and not self.uri.startswith("sqlite:")
            try:
                return str(
                    self._client.create_experiment(name, None if on_server else artifact_folder.absolute().as_uri())
                )
            except MlflowException as error:
                # Another sweep made it after this one had looked.
                if error.error_code != "RESOURCE_ALREADY_EXISTS" or (known := self._known_experiment(name)) is None:
                    raise
        return known

    def _known_experiment(self, name: str) -> str | None:
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage != "active":
            raise InputError(
                f"expected an experiment that is in use, but {name!r} was deleted in MLflow ({self.uri}); "
                "restore it there or set tracking.experiment"
            )
        return None if found is None else str(found.experiment_id)


def _opening(database: Path | None) -> AbstractContextManager[None]:
    """A database on this machine is opened by one process at a time, since MLflow makes its tables then."""
    if database is None:
        return nullcontext()

    def then() -> None:
        follow_move(database, DATABASE_TAG)
        commit_quickly(database)

    return alone_in(database, then=then)
