"""The command line `select`, also mounted as `sweep select`. Commands import what they need when they run."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.cli import graphs as graph_cli
from gapsack.sweep.cli import pools as pool_cli
from gapsack.sweep.cli.app import JsonOption, make_app, messages, output, print_json, progress_bar
from gapsack.sweep.cli.as_csv import CsvOption, print_csv
from gapsack.sweep.cli.options import (
    ENSEMBLE,
    FRONTIER,
    Asked,
    ClassWeightsOption,
    ItemWeightsOption,
    MetricOption,
    known_metric,
    load_class_weights,
    load_item_weights,
    search_options,
)
from gapsack.sweep.cli.outputs import FileOption

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


app.add_typer(pool_cli.app, name="pool")
app.command(
    "import",
    epilog="Example: `sweep select import pool --labels truth.npz --predictions a=a.npz --size a=120MiB` or "
    "`... import pool --data 'validate*.tfrecord' --checkpoint old=train/model.ckpt-200000`",
)(pool_cli.import_pool)


@app.command(epilog="Example: `sweep select pareto runs/paper_grid`")
def pareto(
    pool: PoolArgument = None,
    precision: Annotated[
        str | None, typer.Option(help="Whose sizes are compared; each model's smallest if omitted.")
    ] = None,
    *,
    metric: MetricOption = "gap@20",
    item_weights: ItemWeightsOption = None,
    class_weights: ClassWeightsOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Show which models are inferior (larger, with the same or a worse score), and to whom."""
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.pool.weighted_labels import weighted
    from gapsack.sweep.cli.show.pools import pareto_values, print_pareto
    from gapsack.sweep.runs.sources import find_pool

    chosen = known_metric(metric)
    items, classes = load_item_weights(item_weights), load_class_weights(class_weights)
    read = CandidatePool.read(find_pool(pool).path, left_out=messages().print)
    read = replace(read, labels=weighted(read.labels, items, classes))
    values = pareto_values(read, precision, chosen)
    if json:
        print_json(values)
    elif csv:
        print_csv(values)
    else:
        print_pareto(values)


@app.command(epilog="Example: `sweep select ensemble runs/paper_grid --budget-mb 1024`")
@search_options(ENSEMBLE)
def ensemble(
    pool: PoolArgument = None,
    *,
    budget_mb: Annotated[float, typer.Option(help="The budget in MB (MiB, as in the challenge).")],
    asked: Asked,
    out: Annotated[
        Path | None, FileOption("The ensemble's file; ensemble.json in the run, or here, if omitted.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Search the best subset, precisions and weights under a size budget; Ctrl-C returns the best so far."""
    from gapsack.sweep import api
    from gapsack.sweep.cli.show.ensemble import print_ensemble
    from gapsack.sweep.cli.show.searching import search_control
    from gapsack.sweep.runs.sources import find_pool

    source = find_pool(pool)
    path = out or source.beside("ensemble_file", "ensemble.json")
    record = api.ensemble(
        source.path,
        budget_mib=budget_mb,
        out=path,
        address=asked.address,
        notice=messages().print,
        control=search_control(asked.time_limit),
        **asked.options,
    ).to_dict()
    if json:
        print_json(record)
    else:
        print_ensemble(record, path, source.items)


@app.command(epilog="Example: `sweep select explain runs/paper_grid`")
def explain(
    ensemble: graph_cli.EnsembleArgument = None,
    *,
    metric: Annotated[
        str | None, typer.Option(help="As of select ensemble; the ensemble's own if omitted.", show_default=False)
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(metavar="FILE", help="As of select ensemble, if it had some.", show_default=False)
    ] = None,
    item_weights: ItemWeightsOption = None,
    class_weights: ClassWeightsOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; all cores if omitted.")] = None,
    json: JsonOption = False,
) -> None:
    """Say of an ensemble what each member brings, what others would, and what a MiB and other precisions are worth."""
    from gapsack.sweep import api
    from gapsack.sweep.cli.options import all_cores, load_groups, load_metric
    from gapsack.sweep.cli.show.explanation import print_explanation
    from gapsack.sweep.runs.sources import find_ensemble

    source = find_ensemble(ensemble)
    options = {
        "groups": load_groups(groups),
        "item_weights": load_item_weights(item_weights),
        "class_weights": load_class_weights(class_weights),
        "workers": all_cores(workers),
    }
    with progress_bar("Searching near the ensemble", None) as advance:
        told = api.explain(
            source.path,
            notice=messages().print,
            progress=lambda _progress: advance(1),
            **(options if metric is None else {"metric": load_metric(metric), **options}),
        )
    if json:
        print_json(asdict(told))
    else:
        print_explanation(asdict(told), source.items)
        output().print(f"\nEnsemble: {source.path}")


@app.command(epilog="Example: `sweep select blend ensemble.json --predictions a=new_a.npz --predictions b=new_b.csv`")
def blend(
    ensemble: graph_cli.EnsembleArgument = None,
    *,
    predictions: Annotated[
        list[str], typer.Option(metavar="NAME=FILE", help="A member's predictions of new items; one for each member.")
    ],
    out: Annotated[Path, FileOption("The result: .csv, .npz or .parquet.")] = Path("blended.csv"),
    output_name: pool_cli.OutputOption = None,
    classes: pool_cli.ClassesOption = None,
    json: JsonOption = False,
) -> None:
    """Apply an ensemble to new predictions of its members, from any framework; no graph is needed."""
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.sweep.pools.blend_files import blend_files
    from gapsack.sweep.runs.sources import find_ensemble

    found = blend_files(Ensemble.read(find_ensemble(ensemble).path), predictions, classes, output_name)
    found.write(out)
    items, width = found.scores.shape
    if json:
        print_json({"out": str(out.absolute()), "items": items, "classes": width})
    else:
        output().print(f"{items:,} items, {width:,} classes: {out}")


@app.command(epilog="Example: `sweep select frontier runs/paper_grid --plot frontier.html`")
@search_options(FRONTIER)
def frontier(
    pool: PoolArgument = None,
    *,
    asked: Asked,
    out: Annotated[Path | None, FileOption("Its JSON file; frontier.json in the run, or here, if omitted.")] = None,
    plot: Annotated[Path | None, FileOption("An HTML file with the plot; sweep report has it too.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Search the best ensemble of every budget at once: where does another MiB still buy score?"""
    from gapsack.sweep import api
    from gapsack.sweep.cli.show.frontier import print_frontier, write_plot
    from gapsack.sweep.cli.show.searching import search_control
    from gapsack.sweep.runs.sources import find_pool

    source = find_pool(pool)
    path = out or source.beside("frontier_file", "frontier.json")
    record = api.frontier(
        source.path,
        out=path,
        address=asked.address,
        notice=messages().print,
        control=search_control(asked.time_limit),
        **asked.options,
    ).to_dict()
    if plot is not None:
        write_plot(record, plot, source.path.name if source.run is None else source.run.name)
    if json:
        print_json(record)
    elif csv:
        print_csv(record["points"])
    else:
        print_frontier(record, path)


app.command(epilog="Example: `sweep select build runs/paper_grid --format litert`")(graph_cli.build)
app.command(
    epilog="Example: `sweep select evaluate runs/paper_grid` or `... evaluate graph 'data/validate*.tfrecord'`"
)(graph_cli.evaluate)
app.command(epilog="Example: `sweep select predict graph 'data/test*.tfrecord' --out submission.csv`")(
    graph_cli.predict
)
