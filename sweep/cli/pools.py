"""`select pool add` and `select pool add-models`: predictions or whole models from elsewhere into a candidate pool."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from gapsack.selection.errors import PoolError
from gapsack.sweep.cli.app import JsonOption, make_app, messages, print_json, progress_bar, working
from gapsack.sweep.cli.options import MetricOption, known_metric
from gapsack.sweep.cli.outputs import FolderOption
from gapsack.sweep.storage.mirrored import to_write

if TYPE_CHECKING:
    from gapsack.selection.metrics.objectives import UserMetric
    from gapsack.selection.pool import CandidatePool

app = make_app(
    "pool", "Make a candidate pool of predictions or models from elsewhere, add some to one, or join several."
)

PoolFolder = Annotated[Path, typer.Argument(metavar="POOL", help="The pool folder; made if missing.", parser=to_write)]
ClassesOption = Annotated[int | None, typer.Option(min=1, help="Number of classes, where nothing else tells.")]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", metavar="NAME", help="Which output is meant of models with several (docs/pool.md)."),
]
TopKOption = Annotated[int, typer.Option(min=20, help="Best classes kept of each item.")]
PrecisionOption = Annotated[str, typer.Option(help="The precision of sizes and SavedModels that name none.")]
Level = Literal["frame", "video"]


@app.command(epilog="Example: `sweep select pool add pool --labels truth.npz --predictions a=a.npz --size a=120MiB`")
def add(
    pool: PoolFolder,
    *,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels (.npz, .csv or .parquet, see docs/pool.md); may be left out when the pool has some."),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="A model's predictions (.npz, .csv, .parquet); NAME@PRECISION=FILE for one.",
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SIZE", help="Its size: 120MiB, bytes, or the model's path; NAME@PRECISION=SIZE for one."
        ),
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=GROUP:SIZE",
            help="Bytes of tensors that all models naming the group have, counted once (repeatable); NAME@PRECISION=…",
        ),
    ] = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:FIGURE=NUMBER", help="A further figure, a:latency_ms=12, for --limit; repeatable."),
    ] = None,
    output: OutputOption = None,
    classes: ClassesOption = None,
    top_k: TopKOption = 100,
    precision: PrecisionOption = "float32",
    metric: MetricOption = "gap@20",
    json: JsonOption = False,
) -> None:
    """Add models by their predictions and sizes, from any framework."""
    from gapsack.sweep.pools.predictions import import_candidates

    chosen = known_metric(metric)
    added = import_candidates(
        pool,
        labels_file=labels,
        predictions=predictions or [],
        sizes=size or [],
        shared=shared or [],
        metrics=figure or [],
        output=output,
        class_count=classes,
        top_k=top_k,
        default_precision=precision,
    )
    _show(added, pool, chosen, json)


@app.command(
    "add-models",
    epilog="Example: `sweep select pool add-models pool --data 'validate*.tfrecord' "
    "--checkpoint old=train/model.ckpt-200000`",
)
def add_models(
    pool: PoolFolder,
    *,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PREFIX",
            help="A checkpoint of a family's authors' code (TensorFlow 1); an ensemble becomes NAME, NAME-1, …",
        ),
    ] = None,
    savedmodel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER", help="A SavedModel (docs/pool.md: signatures); NAME@PRECISION=FOLDER for one."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILES",
            help="Labelled data files to run models on (repeatable); a run's held-out files if omitted.",
        ),
    ] = None,
    level: Annotated[Level | None, typer.Option(help="Of the data files; frame, or the run's, if omitted.")] = None,
    raw_weights: Annotated[
        bool,
        typer.Option("--raw-weights", help="Take a checkpoint's variables, even where it has their moving averages."),
    ] = False,
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY",
            help="Of checkpoints (repeatable), where several have the same tensors; a named one leaves others aside.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A hyperparameter of checkpoints (repeatable), where tensors do not tell; else the family's default.",
        ),
    ] = None,
    store: Annotated[
        list[str] | None,
        typer.Option(help="Precision of checkpoints beside float32 (repeatable); float16 if omitted."),
    ] = None,
    sample_frames: Annotated[int, typer.Option(min=1, help="Frames that models see of each video.")] = 300,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Frames used of a video at most; 300, or the run's.")
    ] = None,
    rgb: Annotated[int, typer.Option(min=1, help="Values of a frame's rgb, for SavedModels.")] = 1024,
    audio: Annotated[int, typer.Option(min=1, help="Values of a frame's audio, for SavedModels.")] = 128,
    batch_size: Annotated[int, typer.Option(min=1, help="Items that a model predicts at once.")] = 64,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of faulty records beyond which it fails.")
    ] = 0.001,
    output: OutputOption = None,
    classes: ClassesOption = None,
    top_k: TopKOption = 100,
    precision: PrecisionOption = "float32",
    metric: MetricOption = "gap@20",
    json: JsonOption = False,
) -> None:
    """Add whole models, which are run on labelled data: checkpoints of the families' authors' codes and SavedModels."""
    if not (checkpoint or savedmodel):
        raise PoolError("expected at least one model (--checkpoint name=prefix, --savedmodel name=folder), got none")
    if output is not None and not savedmodel:
        raise PoolError("expected a SavedModel (--savedmodel) with --output, got checkpoints, which have one output")
    if (family or option) and not checkpoint:
        raise PoolError("expected a checkpoint (--checkpoint) with --family and --option, got SavedModels alone")
    from gapsack.models.quiet_start import load_tensorflow
    from gapsack.sweep.pools.models import ModelImport, read_options
    from gapsack.sweep.pools.source import import_source

    chosen = known_metric(metric)
    source = import_source(pool, data or [], level, max_frames)
    wanted = ModelImport(
        pool=pool,
        files=source.files,
        level=source.level,
        checkpoints=checkpoint or [],
        saved_models=savedmodel or [],
        raw_weights=raw_weights,
        families=family or [],
        options=read_options(option or []),
        stored=store or ["float16"],
        default_precision=precision,
        sample_frames=sample_frames,
        max_frames=source.max_frames,
        rgb=rgb,
        audio=audio,
        classes=classes,
        batch_size=batch_size,
        max_bad_share=max_bad_share,
        top_k=top_k,
        output=output,
    )
    with working("Starting TensorFlow"):
        load_tensorflow()
    with progress_bar("Predicting items", None) as advance:
        added = wanted.run(messages().print, advance)
    _show(added, pool, chosen, json)


@app.command("add-branches", epilog="Example: `sweep select pool add-branches runs/mixtures`")
def add_branches(
    pool: Annotated[Path, typer.Argument(metavar="POOL", help="A pool folder or a run.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Candidates; all that have parts if omitted.")
    ] = None,
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILES", help="Labelled data files (repeatable); a run's held-out files if omitted."),
    ] = None,
    store: Annotated[
        list[str] | None,
        typer.Option(help="Precision beside float32 (repeatable); those of the whole model if omitted."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Items that a model predicts at once.")] = 64,
    metric: MetricOption = "gap@20",
    json: JsonOption = False,
) -> None:
    """Add the parts of models that are made of others, such as a mixture's branches, as candidates of their own."""
    from gapsack.models.quiet_start import load_tensorflow
    from gapsack.sweep.pools.branches import BranchImport
    from gapsack.sweep.pools.source import import_source
    from gapsack.sweep.runs.sources import find_pool

    chosen = known_metric(metric)
    place = find_pool(pool).path
    wanted = BranchImport(
        place, names or [], import_source(place, data or [], None, None).files, store or [], batch_size
    )
    with working("Starting TensorFlow"):
        load_tensorflow()
    with progress_bar("Predicting items", None) as advance:
        added = wanted.run(messages().print, advance)
    _show(added, place, chosen, json)


@app.command(epilog="Example: `sweep select pool join runs/first runs/second --out both`")
def join(
    pools: Annotated[
        list[Path], typer.Argument(metavar="POOL...", help="Pool folders or runs, over the same held-out items.")
    ],
    *,
    out: Annotated[Path, FolderOption("The new pool's folder.", "POOL")],
    metric: MetricOption = "gap@20",
    json: JsonOption = False,
) -> None:
    """Join the pools of several runs; a name that several have gets its run's name before it."""
    from gapsack.sweep.pools.join import join_pools
    from gapsack.sweep.runs.sources import find_pool

    chosen = known_metric(metric)
    joined = join_pools([find_pool(pool).path for pool in pools], out)
    if not json:
        for (pool, name), new in joined.renamed.items():
            messages().print(f"{name} of {pool} is called {new}")
    _show(joined.pool, out, chosen, json)


def import_pool(**given: Any) -> None:
    """Make a pool of models or predictions from elsewhere, or add some to one."""
    models = bool(given["checkpoint"] or given["savedmodel"])
    if models and (given["predictions"] or given["labels"] or given["size"] or given["shared"]):
        raise PoolError(
            "expected either models (--checkpoint, --savedmodel with --data) or predictions (--predictions, --size, "
            "--shared, --labels), got both: import one after the other"
        )
    command = add_models if models else add
    command(**{name: given[name] for name in inspect.signature(command).parameters})


def _parameters(command: Any) -> dict[str, inspect.Parameter]:
    """A command's parameters by name, with what Typer is told of them."""
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters
    return {name: parameter.replace(annotation=hints[name]) for name, parameter in parameters.items()}


def _both() -> dict[str, inspect.Parameter]:
    """What `select import`, the older name of both commands, takes: what is theirs alone, then what they share."""
    first, second = _parameters(add), _parameters(add_models)
    alone = {name: each for name, each in {**first, **second}.items() if not (name in first and name in second)}
    return {"pool": first["pool"], **alone, **{name: first[name] for name in first if name not in alone}}


import_pool.__signature__ = inspect.Signature(list(_both().values()))  # type: ignore[attr-defined]
import_pool.__annotations__ = {name: parameter.annotation for name, parameter in _both().items()}


def _show(added: CandidatePool, pool: Path, metric: str | UserMetric, json: bool) -> None:
    from gapsack.sweep.cli.show.pools import pool_values, print_pool

    if json:
        print_json(pool_values(added, pool, metric))
    else:
        print_pool(added, pool, metric)
