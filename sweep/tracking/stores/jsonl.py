"""Plain files, for those who want no service: `jsonl:FOLDER` keeps a file of JSON lines for each run.

FOLDER/<experiment>/<run>.jsonl has a line for each thing that was told, `{"time": …, "<what>": …}`; what a run came to
is the sum of its lines. FOLDER/<experiment>/<run>/ has the run's files. Two sweeps may write to one folder at once:
a run is written by its own sweep alone.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.selection.files import make_folder, replace_json, sync_folder, whole_file
from gapsack.sweep.tracking.place import local_path
from gapsack.sweep.tracking.store import (
    ChildRun,
    GraphModel,
    MetricPoint,
    RunContent,
    RunOutcome,
    TrainedModel,
    UsedData,
    now_milliseconds,
)


def open_store(uri: str, experiment: str, folder: Path, *, create: bool = True) -> JsonLinesStore:
    """The experiment's folder; see `stores.Opener`. `folder` is of no use here, since the URI says the place."""
    place = local_path(uri)
    if place is None or not place.is_absolute():
        raise InputError(f"expected a folder behind jsonl: (tracking.uri), got {uri!r}; below {folder}, for example")
    if Path(experiment).name != experiment:
        raise InputError(f"expected an experiment that can name a folder (tracking.experiment), got {experiment!r}")
    directory = place / experiment
    if not create and not directory.is_dir():
        raise InputError(f"expected the folder {directory}, in which the run is recorded; it is not there")
    try:
        make_folder(directory)
    except OSError as error:
        raise InputError(f"expected a folder for records at {directory} (tracking.uri), got: {error}") from error
    return JsonLinesStore(uri, directory)


class JsonLinesStore:
    """An experiment as a folder of JSON lines."""

    def __init__(self, uri: str, directory: Path) -> None:
        self.uri = uri
        self.experiment_id = directory.name
        self._directory = directory

    @property
    def view(self) -> str:
        """The folder."""
        return str(self._directory)

    def may_pass(self, error: Exception) -> bool:
        """See `TrackerStore`; a full disk, or a file server that is away."""
        return isinstance(error, OSError) and not isinstance(error, FileNotFoundError)

    def create_run(
        self, name: str, tags: Mapping[str, str], *, parent: str | None = None, milliseconds: int | None = None
    ) -> str:
        """See `TrackerStore`."""
        run_id = uuid.uuid4().hex
        started = {"name": name, "parent": parent, "tags": dict(tags)}
        self._file(run_id).touch()
        sync_folder(self._directory)
        self._tell(run_id, {"run": started, "status": "RUNNING"}, milliseconds=milliseconds)
        return run_id

    def resume(self, run_id: str) -> None:
        """See `TrackerStore`."""
        self._tell(run_id, {"status": "RUNNING"})

    def content(self, run_id: str) -> RunContent | None:
        """See `TrackerStore`."""
        found, steps = RunContent(""), Counter[str]()
        for line in self._lines(run_id):
            found.status = line.get("status", found.status)
            found.params.update(line.get("params", {}))
            found.tags.update(line.get("run", {}).get("tags", {}))
            found.tags.update(line.get("tags", {}))
            if "metric" in line:
                key, step = line["metric"], line["step"]
                found.places.add((key, step))
                if step >= steps[key]:
                    found.latest[key], steps[key] = line["value"], step
        return found if found.status else None

    def children(self, parent: str) -> list[ChildRun]:
        """See `TrackerStore`."""
        found = []
        for path in sorted(self._directory.glob("*.jsonl")):
            line = next(self._lines(path.stem), {})
            first, started = line.get("run", {}), line.get("time", 0)
            if first.get("parent") == parent and (content := self.content(path.stem)) is not None:
                found.append(ChildRun(path.stem, first["name"], content.status, content.tags, started))
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
        """See `TrackerStore`."""
        lines: list[dict[str, Any]] = []
        if model is not None:
            latest = {} if new else (self.content(run_id) or RunContent("")).latest
            points = [*(point for point in model.figures if latest.get(point.key) != point.value), *points]
            figures = {point.key: point.value for point in model.figures}
            lines.append({"time": now_milliseconds(), "model": {**asdict(model), "figures": figures}})
        lines += [
            {"time": point.milliseconds, "metric": point.key, "step": point.step, "value": point.value}
            for point in points
        ]
        told = {
            "params": {key: str(value) for key, value in (params or {}).items()},
            "tags": dict(tags or {}),
        }
        if any(told.values()):
            lines.append({"time": now_milliseconds()} | {key: values for key, values in told.items() if values})
        self._append(run_id, lines)

    def artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """See `TrackerStore`."""
        with whole_file(self._place(run_id, path.name, folder)) as target, path.open("rb") as source:
            shutil.copyfileobj(source, target)

    def dictionary(self, run_id: str, values: Mapping[str, Any], name: str) -> None:
        """See `TrackerStore`."""
        replace_json(self._place(run_id, name, None), dict(values))

    def data(self, run_id: str, data: Sequence[UsedData]) -> None:
        """See `TrackerStore`."""
        told = {line["data"]["digest"] for line in self._lines(run_id) if "data" in line}
        for each in data:
            if each.digest not in told:
                self._tell(run_id, {"data": asdict(each)})

    def graph(self, run_id: str, graph: GraphModel) -> str | None:
        """See `TrackerStore`: a graph is large and lies on this disk already, so its place is told."""
        if graph.register is not None:
            raise InputError(f"expected MLflow, which has a register of models, for {graph.register!r}, got {self.uri}")
        self._tell(run_id, {"graph": str(graph.folder), "facts": dict(graph.facts)})
        return None

    def end(self, run_id: str, outcome: RunOutcome, *, milliseconds: int | None = None) -> None:
        """See `TrackerStore`."""
        self._tell(run_id, {"status": outcome}, milliseconds=milliseconds)

    def _file(self, run_id: str) -> Path:
        return self._directory / f"{run_id}.jsonl"

    def _place(self, run_id: str, name: str, folder: str | None) -> Path:
        return self._directory / run_id / (folder or "") / name

    def _tell(self, run_id: str, values: Mapping[str, Any], *, milliseconds: int | None = None) -> None:
        self._append(run_id, [{"time": now_milliseconds() if milliseconds is None else milliseconds, **values}])

    def _append(self, run_id: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Add lines to an existing run's file; one that a killed process left half-written is closed first."""
        if not lines:
            return
        with self._file(run_id).open("r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())

    def _lines(self, run_id: str) -> Iterator[dict[str, Any]]:
        """What was told of a run; a line that was never finished is left out."""
        path = self._file(run_id)
        if not path.is_file():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line
