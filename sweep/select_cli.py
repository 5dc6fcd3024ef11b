"""The command line `select`, also mounted as `sweep select`. Commands import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.console import JsonOption, make_app, output, print_json, progress_bar

app = make_app(
    "select",
    "Choose the best ensemble that fits a size budget, build it as one graph, and run that graph. At a bash or zsh "
    "prompt `select` is a reserved word: type `sweep select`.",
)

PoolArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[POOL]", help="A pool folder or a run; this folder or the newest run if omitted.", show_default=False
    ),
]
GraphArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[GRAPH]", help="A built graph or a run; the newest run if omitted.", show_default=False),
]
PatternsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILES]...", help="Data files or patterns; the run's held-out files if omitted.", show_default=False
    ),
]
BatchOption = Annotated[int, typer.Option(min=1, help="Videos that are predicted at once.")]


@app.command(
    "import",
    epilog="Example: `sweep select import pool --labels truth.npz --predictions a=a.npz --size a=120MiB "
    "--predictions b=b.csv --size b=path/of/b`",
)
def import_pool(
    pool: Annotated[Path, typer.Argument(metavar="POOL", help="The pool folder; made if missing.")],
    *,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels (.npz or .csv, see docs/pool.md); may be left out when the pool has some."),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="A model's predictions (.npz or .csv); NAME@PRECISION=FILE for one precision."
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SIZE", help="Its size: 120MiB, bytes, or the model's path; NAME@PRECISION=SIZE for one."
        ),
    ] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, where the labels do not tell.")] = None,
    top_k: Annotated[int, typer.Option(min=20, help="Best classes kept of each video.")] = 100,
    precision: Annotated[str, typer.Option(help="The precision of sizes that name none.")] = "float32",
    json: JsonOption = False,
) -> None:
    """Make a pool of predictions from any framework, or add models to one."""
    from sweep.imports import import_candidates
    from sweep.select_views import pool_values, print_pool

    imported = import_candidates(
        pool,
        labels_file=labels,
        predictions=predictions or [],
        sizes=size or [],
        class_count=classes,
        top_k=top_k,
        default_precision=precision,
    )
    if json:
        print_json(pool_values(imported, pool))
    else:
        print_pool(imported, pool)


@app.command(epilog="Example: `sweep select pareto runs/paper_grid`")
def pareto(
    pool: PoolArgument = None,
    precision: Annotated[
        str | None, typer.Option(help="Whose sizes are compared; each model's smallest if omitted.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show which models are inferior (larger, with the same or a worse GAP), and to whom."""
    from selection.pool import CandidatePool
    from sweep.select_views import pareto_values, print_pareto
    from sweep.sources import find_pool

    values = pareto_values(CandidatePool.read(find_pool(pool).path), precision)
    if json:
        print_json(values)
    else:
        print_pareto(values)


@app.command(epilog="Example: `sweep select build runs/paper_grid`")
def build(
    ensemble: Annotated[
        Path | None,
        typer.Argument(
            metavar="[ENSEMBLE]", help="An ensemble.json or a run; the newest run if omitted.", show_default=False
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The graph's folder; graph in the run if omitted.")] = None,
    track: Annotated[bool, typer.Option(help="Record the ensemble and its graph in the run's MLflow.")] = True,
    json: JsonOption = False,
) -> None:
    """Build the ensemble as one TensorFlow graph (a SavedModel), weights inside."""
    from sweep.building import build_and_track
    from sweep.select_views import print_graph
    from sweep.sources import find_ensemble

    found = find_ensemble(ensemble)
    with progress_bar("Writing members", None) as advance:
        built = build_and_track(found, out or found.beside("graph", "graph"), track=track, advance=advance)
    if json:
        print_json(built.to_dict())
    else:
        print_graph(built)


@app.command(
    epilog="Example: `sweep select evaluate runs/paper_grid` or `... evaluate graph 'data/validate*.tfrecord'`"
)
def evaluate(
    graph: GraphArgument = None,
    files: PatternsArgument = None,
    *,
    batch_size: BatchOption = 64,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of faulty records beyond which it fails.")
    ] = 0.001,
    json: JsonOption = False,
) -> None:
    """Run a built graph on labelled data files and print GAP, mean average precision and hit@1."""
    from sweep.select_views import print_evaluation
    from sweep.serving import Job
    from sweep.sources import find_graph

    job = Job.prepare(find_graph(graph), files or [], batch_size=batch_size, max_bad_share=max_bad_share)
    with progress_bar("Evaluating videos", None) as advance:
        evaluation = job.evaluate(advance)
    if json:
        print_json(evaluation | job.facts())
    else:
        print_evaluation(evaluation, job.facts())


@app.command(epilog="Example: `sweep select predict graph 'data/test*.tfrecord' --out submission.csv`")
def predict(
    graph: GraphArgument = None,
    files: PatternsArgument = None,
    *,
    out: Annotated[Path, typer.Option(help="The CSV file.")] = Path("predictions.csv"),
    batch_size: BatchOption = 64,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of faulty records beyond which it fails.")
    ] = 0.001,
    json: JsonOption = False,
) -> None:
    """Run a built graph on data files and write the challenge's CSV: VideoId,LabelConfidencePairs, 20 pairs a video."""
    from sweep.serving import Job
    from sweep.sources import find_graph

    job = Job.prepare(find_graph(graph), files or [], batch_size=batch_size, max_bad_share=max_bad_share)
    with progress_bar("Predicting videos", None) as advance:
        videos = job.predict(out, advance)
    if json:
        print_json({"out": str(out.absolute()), "videos": videos} | job.facts())
    else:
        output().print(f"{videos:,} videos: {out}")


def main() -> None:
    """Entry point of the command."""
    app()
