"""The command `sweep next`: what to train next, by what the ensemble would gain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from gapsack.selection.decimals import interval_error, mib_numbers, score_decimals, score_text, score_texts
from gapsack.selection.errors import InputError
from gapsack.selection.units import MIB, bytes_of_budget
from gapsack.sweep.cli.app import Column, JsonOption, messages, output, print_json, print_table
from gapsack.sweep.cli.arguments import RUNS, RunArgument, StorageOption

if TYPE_CHECKING:
    from gapsack.sweep.advice.next_trials import Advice


def next_trial(
    run: RunArgument = None,
    *,
    budget_mb: Annotated[
        float | None, typer.Option(help="The budget in MB (MiB); the grid's own budget.mib if omitted.")
    ] = None,
    what_if: Annotated[
        str | None,
        typer.Option(
            metavar="size=SIZE,gap=GAP", help="Ask about a model of that size and GAP, such as size=100MiB,gap=0.87."
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many points are shown.")] = 10,
    storage: StorageOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Show what to train next: of untried points the size, the GAP to expect, and what the best ensemble would gain."""
    from gapsack.sweep.advice import next_trials as advice
    from gapsack.sweep.runs.folder import find_run
    from gapsack.sweep.runs.status import run_state

    asked = None if what_if is None else parse_what_if(what_if)
    state = run_state(find_run(run, storage))
    own = state.grid.budget.mib if budget_mb is None else budget_mb
    if own is None:
        raise InputError(f"expected a budget (--budget-mb), which the grid of {state.run.path} has not, got none")
    budget, left_out = bytes_of_budget(own), messages().print
    if asked is None:
        found = advice.next_trials(state, budget, most=most, left_out=left_out)
    else:
        found = advice.what_if(state, budget, size_bytes=asked[0], gap=asked[1], left_out=left_out)
    if json:
        print_json(found.to_dict())
    else:
        print_advice(found)


def parse_what_if(text: str) -> tuple[int, float]:
    """Bytes and GAP of `size=100MiB,gap=0.87`.

    Raises:
        InputError: it is not of that form.
    """
    from gapsack.sweep.pools.typed_sizes import parse_size_bytes

    parts = [part.partition("=") for part in text.split(",")]
    values = {key.strip(): value.strip() for key, _, value in parts}
    if len(parts) != 2 or set(values) != {"size", "gap"}:
        raise InputError(f"expected --what-if as size=100MiB,gap=0.87, got {text[:200]!r}")
    try:
        gap = float(values["gap"])
    except ValueError:
        gap = math.nan
    if not 0.0 < gap < 1.0:
        raise InputError(f"expected in --what-if a gap above 0 and below 1, got {values['gap'][:60]!r}")
    return parse_size_bytes(values["size"]), gap


def print_advice(advice: Advice) -> None:
    """A table of suggestions, why each would gain what it would, and what is worth it."""
    columns = [
        Column("next"),
        *(Column(title, True) for title in (f"{advice.precision} MiB", "GAP", "±", "gains", "9 in 10", "1 in 10")),
    ]
    asked, gains = advice.suggestions, [each.gain for each in advice.suggestions]
    scores = score_decimals([each.gap.deviation for each in asked])
    digits = score_decimals([interval_error((each.low, each.high)) for each in gains], [advice.likely_gain])
    parts = (
        [each.point.name for each in asked],
        mib_numbers([each.size_bytes for each in asked]),
        score_texts([each.gap.mean for each in asked], scores),
        score_texts([each.gap.deviation for each in asked], scores),
        *(score_texts([getattr(gain, part) for gain in gains], digits) for part in ("mean", "low", "high")),
    )
    rows = list(zip(*parts, strict=True))
    out = output()
    if rows:
        print_table(columns, rows)
        out.print("")
    for each in advice.suggestions:
        out.print(f"{each.point.name}: {each.reason}.")
    told = f"The best ensemble under {advice.budget_bytes / MIB:g} MiB of {advice.models} models: "
    out.print(f"\n{told}GAP {score_text(advice.ensemble_gap)}, {', '.join(advice.members)}.")
    worth = score_text(advice.likely_gain, digits)
    if not rows:
        out.print("Nothing is untried: every point of the search is done, running or ruled out by the budget.")
    elif advice.is_worth_it:
        likeliest = max(advice.suggestions, key=lambda each: each.gain.median)
        out.print(f"{likeliest.point.name} is as likely as not to gain more than {worth}.")
    else:
        out.print(f"Nothing is likely to gain more than {worth}.")
