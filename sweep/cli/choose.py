"""The command line `select`, also mounted as `sweep select`. Commands import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.cli import graphs as graph_cli
from gapsack.sweep.cli import pools as pool_cli
from gapsack.sweep.cli.app import JsonOption, make_app, print_json
from gapsack.sweep.cli.options import ENSEMBLE, FRONTIER, Asked, search_options

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
    json: JsonOption = False,
) -> None:
    """Show which models are inferior (larger, with the same or a worse GAP), and to whom."""
    from gapsack.selection.pool import CandidatePool
    from gapsack.sweep.cli.show.pools import pareto_values, print_pareto
    from gapsack.sweep.runs.sources import find_pool

    values = pareto_values(CandidatePool.read(find_pool(pool).path), precision)
    if json:
        print_json(values)
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
        Path | None, typer.Option(help="The ensemble's file; ensemble.json in the run, or here, if omitted.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Search the best subset, precisions and weights under a size budget; Ctrl-C returns the best so far."""
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.search import search_ensemble
    from gapsack.sweep.cli.show.ensemble import print_ensemble
    from gapsack.sweep.cli.show.searching import searching
    from gapsack.sweep.graphs.ensembles import budget_bytes, write_ensemble
    from gapsack.sweep.graphs.frontiers import offer_to_frontier
    from gapsack.sweep.graphs.reserve import Reserve
    from gapsack.sweep.runs.sources import find_pool

    budget, source = budget_bytes(budget_mb), find_pool(pool)
    candidates = CandidatePool.read(source.path)
    with searching(asked) as options:
        found = search_ensemble(candidates, budget_bytes=budget, **Reserve.of(candidates).options(), **options)
    path = out or source.beside("ensemble_file", "ensemble.json")
    record = write_ensemble(found, path, source.path).to_dict()
    if source.run is not None:
        offer_to_frontier(found, source.run.frontier_file)
    if json:
        print_json(record)
    else:
        print_ensemble(record, path)


@app.command(epilog="Example: `sweep select frontier runs/paper_grid --plot frontier.html`")
@search_options(FRONTIER)
def frontier(
    pool: PoolArgument = None,
    *,
    asked: Asked,
    out: Annotated[
        Path | None, typer.Option(help="Its JSON file; frontier.json in the run, or here, if omitted.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="An HTML file with the plot; sweep report has it too.")] = None,
    json: JsonOption = False,
) -> None:
    """Search the best ensemble of every budget at once: where does another MiB still buy GAP?"""
    from gapsack.selection.frontier import frontier as search_frontier
    from gapsack.selection.pool import CandidatePool
    from gapsack.sweep.cli.show.frontier import print_frontier, write_frontier, write_plot
    from gapsack.sweep.cli.show.searching import searching
    from gapsack.sweep.graphs.frontiers import with_ensemble_of
    from gapsack.sweep.graphs.reserve import Reserve
    from gapsack.sweep.runs.sources import find_pool

    source = find_pool(pool)
    candidates = CandidatePool.read(source.path)
    with searching(asked) as options:
        found = search_frontier(candidates, **Reserve.of(candidates).options(), **options)
    if source.run is not None:
        found = with_ensemble_of(found, source.run.ensemble_file)
    path = out or source.beside("frontier_file", "frontier.json")
    record = write_frontier(found, path)
    if plot is not None:
        write_plot(record, plot)
    if json:
        print_json(record)
    else:
        print_frontier(record, path)


app.command(epilog="Example: `sweep select build runs/paper_grid --format litert`")(graph_cli.build)
app.command(
    epilog="Example: `sweep select evaluate runs/paper_grid` or `... evaluate graph 'data/validate*.tfrecord'`"
)(graph_cli.evaluate)
app.command(epilog="Example: `sweep select predict graph 'data/test*.tfrecord' --out submission.csv`")(
    graph_cli.predict
)
