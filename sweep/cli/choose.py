"""The command line `select`, also mounted as `sweep select`. Commands import what they need when they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.cli import graphs as graph_cli
from gapsack.sweep.cli import pools as import_cli
from gapsack.sweep.cli.app import JsonOption, make_app, print_json

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


class Blend(StrEnum):
    """Of what the weighted mean is taken."""

    probability = "probability"
    logit = "logit"
    auto = "auto"


class Prefer(StrEnum):
    """Which of nearly equal ensembles is taken."""

    score = "score"
    small = "small"


MetricOption = Annotated[
    str, typer.Option(help="gap@20 (or another k), map, log_loss, or file.py:function (docs/select.md).")
]
BlendOption = Annotated[Blend, typer.Option(help="The weighted mean of probabilities or logits; auto tries both.")]
PrecisionOption = Annotated[
    list[str] | None, typer.Option(help="Precisions that may be used; all if omitted. May be repeated.")
]
MaxMembersOption = Annotated[int | None, typer.Option(min=1, help="At most so many members.")]
MustHaveOption = Annotated[list[str] | None, typer.Option(metavar="NAME", help="A member in any case; repeatable.")]
NeverTogetherOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME,NAME", help="Of these, one member at most; repeatable.")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FIGURE=MOST", help="A further budget on a figure of the candidates' metrics: latency_ms=20."),
]
TuneShareOption = Annotated[float, typer.Option(help="Share of the videos to tune on; the others report.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the split, the bootstrap and the search.")]
TimeLimitOption = Annotated[float | None, typer.Option(metavar="SECONDS", help="Then take the best so far.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Threads; all cores if omitted. They change the time alone.")
]
AddressOption = Annotated[str | None, typer.Option(help="A Ray cluster that evaluates (for example auto).")]


app.command(
    "import",
    epilog="Example: `sweep select import pool --labels truth.npz --predictions a=a.npz --size a=120MiB` or "
    "`... import pool --data 'validate*.tfrecord' --checkpoint old=train/model.ckpt-200000`",
)(import_cli.import_pool)


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
def ensemble(
    pool: PoolArgument = None,
    *,
    budget_mb: Annotated[float, typer.Option(help="The budget in MB (MiB, as in the challenge).")],
    metric: MetricOption = "gap@20",
    blend: BlendOption = Blend.probability,
    precision: PrecisionOption = None,
    max_members: MaxMembersOption = None,
    must_have: MustHaveOption = None,
    never_together: NeverTogetherOption = None,
    limit: LimitOption = None,
    prefer: Annotated[
        Prefer, typer.Option(help="score: the best score; small: the smallest ensemble within noise of it.")
    ] = Prefer.score,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Search every maximal subset in full; slow.")
    ] = False,
    tune_share: TuneShareOption = 0.5,
    folds: Annotated[int, typer.Option(min=1, help="Repeat the whole search on other splits of the videos.")] = 1,
    confidence: Annotated[float, typer.Option(help="Of the bootstrap intervals.")] = 0.95,
    seed: SeedOption = 0,
    time_limit: TimeLimitOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The ensemble's file; ensemble.json in the run, or here, if omitted.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Search the best subset, precisions and weights under a size budget; Ctrl-C returns the best so far."""
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.search import search_ensemble
    from gapsack.sweep.cli.show.ensemble import print_ensemble
    from gapsack.sweep.cli.show.searching import search_control
    from gapsack.sweep.cluster.executor import ray_executor
    from gapsack.sweep.graphs.choosing import Search, budget_bytes, default_output, write_ensemble
    from gapsack.sweep.graphs.reserve import Reserve
    from gapsack.sweep.runs.sources import find_pool

    search = Search(
        metric=metric,
        blend=blend.value,
        precisions=precision,
        max_members=max_members,
        must_have=must_have or [],
        never_together=never_together or [],
        limits=limit or [],
        tune_share=tune_share,
        seed=seed,
        workers=workers,
    )
    budget, source = budget_bytes(budget_mb), find_pool(pool)
    candidates = CandidatePool.read(source.path)
    options = search.options()
    with ray_executor(address) as executor, search_control(time_limit) as control:
        found = search_ensemble(
            candidates,
            budget_bytes=budget,
            prefer=prefer.value,
            exhaustive=exhaustive,
            folds=folds,
            confidence=confidence,
            **Reserve.of(candidates).options(),
            **options,
            **control,
            executor=executor,
        )
    path = default_output(source, out)
    record = write_ensemble(found.to_dict(), path, source.path)
    if json:
        print_json(record)
    else:
        print_ensemble(record, path)


@app.command(epilog="Example: `sweep select frontier runs/paper_grid --plot frontier.html`")
def frontier(
    pool: PoolArgument = None,
    *,
    metric: MetricOption = "gap@20",
    blend: BlendOption = Blend.probability,
    precision: PrecisionOption = None,
    max_members: MaxMembersOption = None,
    must_have: MustHaveOption = None,
    never_together: NeverTogetherOption = None,
    limit: LimitOption = None,
    tune_share: TuneShareOption = 0.5,
    seed: SeedOption = 0,
    time_limit: TimeLimitOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
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
    from gapsack.sweep.cli.show.searching import search_control
    from gapsack.sweep.cluster.executor import ray_executor
    from gapsack.sweep.graphs.choosing import Search
    from gapsack.sweep.graphs.reserve import Reserve
    from gapsack.sweep.runs.sources import find_pool

    search = Search(
        metric=metric,
        blend=blend.value,
        precisions=precision,
        max_members=max_members,
        must_have=must_have or [],
        never_together=never_together or [],
        limits=limit or [],
        tune_share=tune_share,
        seed=seed,
        workers=workers,
    )
    source = find_pool(pool)
    candidates = CandidatePool.read(source.path)
    options = search.options()
    with ray_executor(address) as executor, search_control(time_limit) as control:
        found = search_frontier(candidates, **Reserve.of(candidates).options(), **options, **control, executor=executor)
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
