"""The command `sweep teach`: a teacher's predictions of training files, for students to learn from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gapsack.selection.errors import InputError
from gapsack.sweep.cli.app import JsonOption, messages, output, print_json, progress_bar
from gapsack.sweep.cli.graphs import BadShareOption, BatchOption
from gapsack.sweep.cli.outputs import FolderOption
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import bring, bring_books, is_mirrored, place_of, url_in

if TYPE_CHECKING:
    from gapsack.sweep.grid.schema import Grid
    from gapsack.sweep.teaching.teach import Mapped
    from gapsack.sweep.teaching.teachers import GraphTeacher, PoolTeacher

THREADS = 8
"""Of a teacher, by default: fixed, since sums that are split otherwise round otherwise."""


def teach(
    source: Annotated[
        Path, typer.Argument(metavar="TEACHER", help="A built graph or a run that has one; a pool; an ensemble.json.")
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILES]...", help="The students' training files, or patterns; else those of --grid."),
    ] = None,
    *,
    out: Annotated[Path, FolderOption("The folder of the predictions.", "DIR")] = Path("teacher"),
    top_k: Annotated[int, typer.Option(min=1, help="Classes kept of each example, with the rest's sum.")] = 100,
    candidate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Of a pool: a candidate, or NAME@PRECISION; of several their mean teaches."),
    ] = None,
    grid: Annotated[
        Path | None, typer.Option(help="The students' grid file, which says what training files there are.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Files that are taught at once, by as many processes.")] = 1,
    address: Annotated[str | None, typer.Option(help="A Ray cluster that teaches (for example auto).")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of each process; the last bits depend on them.")] = THREADS,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each worker.")] = 0.0,
    batch_size: BatchOption = 64,
    max_bad_share: BadShareOption = 0.001,
    json: JsonOption = False,
) -> None:
    """Predict training files by a teacher, once, for trials with `training.teacher` in their grid.

    Stopped and given again, it goes on with the files that are missing. The lists of a pool are looked up by id.
    """
    from gapsack.sweep.cluster.signals import ended_by_signals
    from gapsack.sweep.data.dataset import dataset_of
    from gapsack.sweep.data.files import expand
    from gapsack.sweep.data.parts import files_of
    from gapsack.sweep.grid.read import load_grid
    from gapsack.sweep.teaching.teach import Lesson
    from gapsack.sweep.teaching.teacher_folder import TeacherFolder

    students = None if grid is None else load_grid(grid)
    if not files and students is None:
        raise InputError("expected training files, or the students' grid (--grid), got neither")
    far = [url for each in (source, address_of(out)) if (url := url_in(each)) is not None]
    if address is not None and far:
        raise InputError(f"expected folders that all nodes of the cluster see with --address, got the URL {far[0]}")
    teacher, task = _teacher(source, candidate or [], students)
    paths = expand(files) if files else files_of(students.data.files().train if students else ())
    lesson = Lesson(
        teacher,
        tuple(os.path.abspath(path) if "://" not in path else path for path in paths),  # noqa: PTH100  (links stay)
        dataset_of(task),
        TeacherFolder(out.absolute()),
        top_k,
        batch_size,
        max_bad_share,
    )
    with (
        ended_by_signals(),
        _workers(workers, address, threads, gpus) as mapped,
        progress_bar("Predicting examples", None) as advance,
    ):
        manifest = lesson.give(advance, messages().print, mapped)
    if manifest.warning:
        messages().print(manifest.warning)
    if json:
        print_json({"out": str(out.absolute()), "examples": manifest.examples} | manifest.model_dump(mode="json"))
        return
    output().print(
        f"{manifest.examples:,} examples of {len(manifest.files)} files: {out}\n"
        f"{manifest.top_k} classes of each, {manifest.mean_listed or 0.0:.2g} together in the mean; all others have "
        f"{manifest.mean_rest:.2g}."
    )


def _teacher(
    source: Path, candidates: list[str], students: Grid | None
) -> tuple[GraphTeacher | PoolTeacher, dict[str, object]]:
    """Who teaches, and the task by which the files are read."""
    from gapsack.sweep.graphs.packing import graph_task
    from gapsack.sweep.runs.sources import find_graph, find_pool
    from gapsack.sweep.teaching.teachers import GraphTeacher, PoolTeacher

    own = None if students is None else students.data.task.to_dict()
    source = place_of(source)
    if is_mirrored(source) and not candidates:
        bring_books(source)
        bring(source / "labels.npz")
    if source.is_file() and source.suffix == ".json":
        if candidates:
            raise InputError(f"expected candidates (--candidate) of a pool, got some of the ensemble {source}")
        pool = PoolTeacher.of_ensemble(source)
    elif candidates or (source / "labels.npz").is_file():
        pool = PoolTeacher.of_pool(find_pool(source).path, candidates)
    else:
        place = find_graph(source).path
        return GraphTeacher(place.absolute()), graph_task(place).to_dict()
    task = own or pool.task
    if task is None:
        raise InputError(
            f"expected the students' grid (--grid), which says how the files are to be read: {source} does not"
        )
    if task.get("classes") != pool.class_count:
        raise InputError(
            f"expected a pool of the students' {task.get('classes')} classes, got one of {pool.class_count}"
        )
    return pool, task


@contextmanager
def _workers(workers: int, address: str | None, threads: int, gpus: float) -> Iterator[Mapped | None]:
    """Workers of Ray, or None for this process, which then has as many threads as one of them."""
    from gapsack.sweep.cluster.ray import worker_environment
    from gapsack.sweep.cluster.session import environment
    from gapsack.sweep.grid.schema import Resources

    resources = Resources(cpus=float(threads), gpus=gpus)
    if workers == 1 and address is None:
        # TensorFlow, which is not loaded yet, reads them once.
        with environment(
            {name: value for name, value in worker_environment(resources, {}).items() if "TF_NUM" in name}
        ):
            yield None
        return
    from gapsack.sweep.cluster.ray_map import ray_map

    with ray_map(address, resources, at_once=workers if address is None else None) as mapped:
        yield mapped
