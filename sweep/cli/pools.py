"""`select import`: predictions or whole models from elsewhere into a candidate pool."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gapsack.sweep.cli.app import JsonOption, messages, print_json, progress_bar


class LevelName(StrEnum):
    """Levels of the data."""

    frame = "frame"
    video = "video"


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
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PREFIX",
            help="A checkpoint of the authors' code (TensorFlow 1); an ensemble becomes NAME, NAME-1, …",
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
    level: Annotated[LevelName | None, typer.Option(help="Of the data files; frame, or the run's, if omitted.")] = None,
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
    batch_size: Annotated[int, typer.Option(min=1, help="Videos that a model predicts at once.")] = 64,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of faulty records beyond which it fails.")
    ] = 0.001,
    classes: Annotated[int | None, typer.Option(min=1, help="Number of classes, where nothing else tells.")] = None,
    top_k: Annotated[int, typer.Option(min=20, help="Best classes kept of each video.")] = 100,
    precision: Annotated[str, typer.Option(help="The precision of sizes and SavedModels that name none.")] = "float32",
    json: JsonOption = False,
) -> None:
    """Make a pool of models or predictions from elsewhere, or add some to one."""
    from gapsack.selection.errors import PoolError
    from gapsack.selection.pool import CandidatePool
    from gapsack.sweep.cli.show.pools import pool_values, print_pool

    models = bool(checkpoint or savedmodel)
    if models and (predictions or labels or size):
        raise PoolError(
            "expected either models (--checkpoint, --savedmodel with --data) or predictions (--predictions, --size, "
            "--labels), got both: import one after the other"
        )
    if models:
        from gapsack.sweep.graphs.quiet import load_tensorflow
        from gapsack.sweep.pools.models import ModelImport
        from gapsack.sweep.pools.source import import_source

        source = import_source(pool, data or [], None if level is None else level.value, max_frames)
        wanted = ModelImport(
            pool=pool,
            files=source.files,
            level=source.level,
            checkpoints=checkpoint or [],
            saved_models=savedmodel or [],
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
        )
        load_tensorflow()
        with progress_bar("Predicting videos", None) as advance:
            imported: CandidatePool = wanted.run(messages().print, advance)
    else:
        from gapsack.sweep.pools.predictions import import_candidates

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
