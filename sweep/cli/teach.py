"""The command `sweep teach`: a graph's predictions of training files, for students to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.cli.app import JsonOption, output, print_json, progress_bar
from gapsack.sweep.cli.graphs import BadShareOption, BatchOption


def teach(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH", help="A built graph of any format, or a run that has one.")],
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="The students' training files, or patterns.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder of the predictions.")] = Path("teacher"),
    top_k: Annotated[int, typer.Option(min=1, help="Classes kept of each example, with the rest's sum.")] = 100,
    batch_size: BatchOption = 64,
    max_bad_share: BadShareOption = 0.001,
    json: JsonOption = False,
) -> None:
    """Predict training files by a built graph, once, for trials with `training.teacher` in their grid.

    Stopped and given again, it goes on with the files that are missing.
    """

    from gapsack.models.graph.formats import load_graph
    from gapsack.models.quiet_start import load_tensorflow
    from gapsack.sweep.data.dataset import dataset_of
    from gapsack.sweep.data.files import expand
    from gapsack.sweep.graphs.packing import graph_task
    from gapsack.sweep.runs.sources import find_graph
    from gapsack.sweep.teaching.teach import Lesson
    from gapsack.sweep.teaching.teacher_folder import TeacherFolder

    source = find_graph(graph)
    dataset = dataset_of(graph_task(source.path).to_dict())
    lesson = Lesson(source.path, tuple(expand(files)), dataset, TeacherFolder(out), top_k, batch_size, max_bad_share)
    load_tensorflow()
    with progress_bar("Predicting examples", None) as advance:
        manifest = lesson.give(lambda path: load_graph(path, decode_once=True), advance)
    if json:
        print_json({"out": str(out.absolute()), "examples": manifest.examples} | manifest.model_dump(mode="json"))
        return
    output().print(
        f"{manifest.examples:,} examples of {len(manifest.files)} files: {out}\n"
        f"{manifest.top_k} classes of each; all others have {manifest.mean_rest:.2g} together, in the mean."
    )
