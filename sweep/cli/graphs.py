"""The commands of `select` that make and run the one graph: `build`, `evaluate` and `predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.cli.app import JsonOption, errors, output, print_json, progress_bar
from gapsack.sweep.cli.options import known_metric
from gapsack.sweep.cli.outputs import FileOption, FolderOption

EnsembleArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[ENSEMBLE]", help="An ensemble.json or a run; the newest run if omitted.", show_default=False
    ),
]
GraphArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[GRAPH]",
        help="A built graph of any format, or a run; the newest run if omitted.",
        show_default=False,
    ),
]
PatternsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILES]...", help="Data files or patterns; the run's held-out files if omitted.", show_default=False
    ),
]
BatchOption = Annotated[int, typer.Option(min=1, help="Items that are predicted at once.")]
BadShareOption = Annotated[float, typer.Option(min=0, max=1, help="Share of faulty records beyond which it fails.")]
DecodeOnceOption = Annotated[
    bool | None,
    typer.Option(
        "--decode-once/--no-decode-once",
        help="Decode all weights when a SavedModel is loaded: faster, for the memory of float32. Of itself where that "
        "takes at most half of the free memory.",
        show_default=False,
    ),
]


def _format_names() -> list[str]:
    """For the shell's completion; listed when it is asked for, because packages may bring formats."""
    from gapsack.models.graph.formats import format_names

    return list(format_names())


class LiteWeights(StrEnum):
    """What LiteRT stores floating-point weights as."""

    float16 = "float16"
    float32 = "float32"


def build(
    ensemble: EnsembleArgument = None,
    *,
    out: Annotated[
        Path | None, FolderOption("The graph's folder; if omitted graph, metagraph or litert in the run.")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="SavedModel, the challenge's MetaGraph (metagraph), LiteRT for phones (litert), or a package's own.",
            autocompletion=_format_names,
        ),
    ] = "savedmodel",
    lite_weights: Annotated[
        LiteWeights | None,
        typer.Option(
            help="What LiteRT stores float weights as, float16 if omitted; integers stay what they are.",
            show_default=False,
        ),
    ] = None,
    saturate: Annotated[
        bool, typer.Option("--saturate", help="Clip weights beyond their precision's range, and say how many.")
    ] = False,
    track: Annotated[
        bool, typer.Option(help="Record the ensemble, and a SavedModel of it, in the run's MLflow.")
    ] = True,
    register: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Register the SavedModel in MLflow, as a new version of this model."),
    ] = None,
    alias: Annotated[str | None, typer.Option(help="Have this alias point to that version.")] = None,
    json: JsonOption = False,
) -> None:
    """Build the ensemble as one TensorFlow graph, weights inside, within the budget on disk."""
    from gapsack.sweep.cli.show.pools import print_graph
    from gapsack.sweep.graphs.build_and_track import Writing, build_and_track, default_folder
    from gapsack.sweep.runs.sources import find_ensemble

    found = find_ensemble(ensemble)
    settings = {} if lite_weights is None else {"weights": lite_weights.value}
    writing = Writing(format, settings, saturate)
    folder = out or default_folder(found, format)
    with progress_bar("Writing members", None, starting="Starting TensorFlow") as advance:
        built = build_and_track(found, folder, writing, track=track, advance=advance, register=register, alias=alias)
    if built.untracked is not None:
        errors().print(f"The graph is built, but MLflow did not take it: {built.untracked}")
    if json:
        print_json(built.to_dict())
    else:
        print_graph(built)


def evaluate(
    graph: GraphArgument = None,
    files: PatternsArgument = None,
    *,
    batch_size: BatchOption = 64,
    metric: Annotated[
        str | None, typer.Option(help="Another metric beside these, by name or as file.py:function (docs/select.md).")
    ] = None,
    decode_once: DecodeOnceOption = None,
    max_bad_share: BadShareOption = 0.001,
    track: Annotated[bool, typer.Option(help="Log the figures with the graph's ensemble, in the run's MLflow.")] = True,
    json: JsonOption = False,
) -> None:
    """Run a built graph on labelled data files and print GAP, mean average precision and hit@1."""
    from gapsack.sweep.cli.show.pools import print_evaluation
    from gapsack.sweep.graphs.serve import Job
    from gapsack.sweep.runs.sources import find_graph

    named = None if metric is None else known_metric(metric)
    job = Job.prepare(
        find_graph(graph), files or [], batch_size=batch_size, max_bad_share=max_bad_share, decode_once=decode_once
    )
    with progress_bar(f"Evaluating {job.items}", None, starting="Starting TensorFlow", unit=job.items) as advance:
        evaluation = job.evaluate(advance, named).to_dict()
    problem = job.record(evaluation) if track else None
    if problem is not None:
        errors().print(f"MLflow did not take these figures: {problem}")
    if json:
        print_json(evaluation | job.facts())
    else:
        print_evaluation(evaluation, job.facts(), job.items)


def predict(
    graph: GraphArgument = None,
    files: PatternsArgument = None,
    *,
    out: Annotated[Path, FileOption("The CSV file.")] = Path("predictions.csv"),
    batch_size: BatchOption = 64,
    decode_once: DecodeOnceOption = None,
    max_bad_share: BadShareOption = 0.001,
    json: JsonOption = False,
) -> None:
    """Run a built graph on data files and write the challenge's CSV: VideoId,LabelConfidencePairs, 20 pairs a video."""
    from gapsack.sweep.cli.show.pools import print_faults, print_pace
    from gapsack.sweep.graphs.serve import Job
    from gapsack.sweep.runs.sources import find_graph

    job = Job.prepare(
        find_graph(graph), files or [], batch_size=batch_size, max_bad_share=max_bad_share, decode_once=decode_once
    )
    with progress_bar(f"Predicting {job.items}", None, starting="Starting TensorFlow", unit=job.items) as advance:
        videos = job.predict(out, advance)
    if json:
        print_json({"out": str(out.absolute()), "videos": videos} | job.facts())
    else:
        output().print(f"{videos:,} {job.items}: {out}")
        print_pace(job.facts(), job.items)
        print_faults(job.facts())
