"""The options of `select ensemble` and `select frontier`: made of `selection.subsets.options.Options`.

Name, default, range and help are said there. Here is only how a person types what is not a plain value, and what a
command line has besides: the time limit and the cluster.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from gapsack.selection.errors import InputError
from gapsack.selection.subsets.options import Options, Rule, rule_of
from gapsack.sweep.storage.mirrored import fetched_from

if TYPE_CHECKING:
    from gapsack.selection.report.ensemble import Ensemble

FRONTIER = (
    "metric",
    "item_weights",
    "class_weights",
    "blend",
    "precisions",
    "max_members",
    "must_have",
    "never_together",
    "limits",
    "tune_share",
    "groups",
    "search_videos",
    "seed",
    "workers",
)
"""The options of `select frontier`."""

ENSEMBLE = (*FRONTIER, "prefer", "exhaustive", "folds", "confidence", "start", "explain")
"""Those of `select ensemble`."""


@dataclass(frozen=True)
class Asked:
    """What was typed: `options` for `Options`, and how to run the search.

    Attributes:
        options: by the names of `Options`.
        time_limit: seconds, after which the best so far is taken; None for no limit.
        address: of a Ray cluster that evaluates; None for threads of this machine.
    """

    options: dict[str, Any]
    time_limit: float | None
    address: str | None


def load_metric(text: str) -> Any:
    """A metric by name, or the function that `file.py:function` names.

    Raises:
        InputError: the file or the function is not there, or the file does not run.
    """
    file, colon, name = text.rpartition(":")
    if not colon:
        return text
    spec = importlib.util.spec_from_file_location("gapsack_user_metric", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise InputError(f"expected a metric by name, such as gap@20, or as file.py:function, got {text[:200]!r}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # it is anyone's code
        raise InputError(f"expected Python that runs in {file}, got {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"expected a function {name} in {file}, got none")
    return function


def known_metric(text: str) -> Any:
    """As `load_metric`, of a metric that exists: a wrong name is told before anything is done."""
    from gapsack.selection.metrics.registry import gap_k, metric_of

    metric = load_metric(text)
    if isinstance(metric, str) and gap_k(metric) is None:
        metric_of(metric)
    return metric


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Further budgets by figure, of options such as `latency_ms=20`.

    Raises:
        InputError: not of that form.
    """
    limits = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not key or math.isnan(number):
            raise InputError(f"expected a limit as figure=number, such as latency_ms=20, got {text[:200]!r}")
        if key in limits:
            raise InputError(f"expected one limit on {key}, got two")
        limits[key] = number
    return limits


def parse_time_limit(seconds: float | None) -> float | None:
    """A time limit in seconds, or None. Raises an InputError when it is no time."""
    if seconds is not None and not seconds >= 0:
        raise InputError(f"expected a time limit of 0 seconds or more, got {seconds:g}")
    return seconds


def parse_groups(texts: Sequence[str]) -> list[list[str]]:
    """Groups of names, of options such as `a,b`."""
    return [[name.strip() for name in text.split(",")] for text in texts]


def load_groups(path: Path | None) -> dict[str, str] | None:
    """The group of each id, of a CSV file with the columns `id` and `group`; None without a file.

    Raises:
        InputError: it is no such file, an id comes twice, or its group is empty.
    """
    from gapsack.sweep.pools.tables import read_table

    if path is None:
        return None
    path = fetched_from(path)
    try:
        ids, groups = read_table(path, ("id", "group"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    names = ids.tolist()
    found = dict(zip(names, groups, strict=True))
    if len(found) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"{path}: expected one group of each id, got {twice!r} twice")
    empty = next((name for name, group in found.items() if not group), None)
    if empty is not None:
        raise InputError(f"{path}: expected a group of each id, got none for {empty!r}")
    return found


def load_ensemble(path: Path | None) -> Ensemble | None:
    """An earlier ensemble; None without a file. Raises an InputError that names the file."""
    from gapsack.selection.report.ensemble import Ensemble

    return None if path is None else Ensemble.read(fetched_from(path))


def all_cores(count: int | None) -> int:
    """A number of threads; one a core where none is given."""
    return count or os.cpu_count() or 1


@dataclass(frozen=True)
class _Form:
    """How an option is typed.

    Attributes:
        kind: its type; None has no default of its own.
        flag: its name without dashes, where that is not the option's.
        typed: all its names on a command line, the one to use first; empty for the one that follows from `flag`.
        metavar: what stands for its value in the help.
        parse: makes the option's value of what was typed.
    """

    kind: Any
    flag: str | None = None
    typed: tuple[str, ...] = ()
    metavar: str | None = None
    parse: Callable[[Any], Any] = lambda value: value


def load_item_weights(file: Path | None) -> dict[str, float] | None:
    """Weights by id, of a file if one is named. Raises an InputError."""
    from gapsack.sweep.pools.weight_tables import read_item_weights

    return None if file is None else read_item_weights(fetched_from(file))


def load_class_weights(file: Path | None) -> dict[int, float] | None:
    """Weights by class, of a file if one is named. Raises an InputError."""
    from gapsack.sweep.pools.weight_tables import read_class_weights

    return None if file is None else read_class_weights(fetched_from(file))


_TEXTS = list[str] | None
_FILE = Path | None
_FORMS = {
    "metric": _Form(str, parse=load_metric),
    "item_weights": _Form(_FILE, metavar="FILE", parse=load_item_weights),
    "class_weights": _Form(_FILE, metavar="FILE", parse=load_class_weights),
    "precisions": _Form(_TEXTS, flag="precision"),
    "must_have": _Form(_TEXTS, metavar="NAME", parse=lambda names: names or []),
    "never_together": _Form(_TEXTS, metavar="NAME,NAME", parse=lambda texts: parse_groups(texts or [])),
    "limits": _Form(_TEXTS, flag="limit", metavar="FIGURE=MOST", parse=lambda texts: parse_limits(texts or [])),
    "max_members": _Form(int | None),
    "tune_share": _Form(float | None),
    "folds": _Form(int | None),
    "groups": _Form(Path | None, metavar="FILE", parse=load_groups),
    "start": _Form(Path | None, metavar="FILE", parse=load_ensemble),
    "workers": _Form(int | None, parse=all_cores),
    "search_videos": _Form(None, typed=("--search-items", "--search-videos")),
}
"""Options that are not typed as the plain values that they are."""

MetricOption = Annotated[str, typer.Option(help=rule_of(Options.__dataclass_fields__["metric"]).help)]
ItemWeightsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help=rule_of(Options.__dataclass_fields__["item_weights"]).help)
]
ClassWeightsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help=rule_of(Options.__dataclass_fields__["class_weights"]).help)
]
TIME_LIMIT = Annotated[float | None, typer.Option(metavar="SECONDS", help="Then take the best so far.")]
ADDRESS = Annotated[str | None, typer.Option(help="A Ray cluster that evaluates (for example auto).")]


def search_options(names: Sequence[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a search in place of its parameter `asked`.

    Args:
        names: of fields of `Options`; they come in the order that these have there.

    Raises:
        TypeError: a name that is no option (when the command is made).
    """
    chosen = [each for each in fields(Options) if each.name in names]
    if len(chosen) != len(names):
        raise TypeError(f"expected options of a search, got {sorted(set(names) - {each.name for each in chosen})}")
    typed = [_parameter(each.name, each.default, rule_of(each)) for each in chosen]
    place = next((number for number, each in enumerate(chosen) if each.name == "workers"), len(chosen))
    typed.insert(place, _keyword("time_limit", TIME_LIMIT, None))
    typed.append(_keyword("address", ADDRESS, None))

    def give(command: Callable[..., None]) -> Callable[..., None]:
        own = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            parameters += (
                typed if parameter.name == "asked" else [parameter.replace(annotation=own.get(parameter.name, Any))]
            )

        @functools.wraps(command)
        def run(**given: Any) -> None:
            options = {each.name: _form(each.name).parse(given.pop(_flag(each.name))) for each in chosen}
            command(asked=Asked(options, parse_time_limit(given.pop("time_limit")), given.pop("address")), **given)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return give


def _parameter(name: str, default: Any, rule: Rule) -> inspect.Parameter:
    """An option as a parameter that Typer reads."""
    form = _form(name)
    kind = form.kind or (Literal[rule.choices] if rule.choices else type(default))
    # A bool is a flag that is given or not, without its opposite.
    flags = [f"--{name.replace('_', '-')}"] if kind is bool else form.typed
    told = typer.Option(*flags, help=rule.help, metavar=form.metavar, min=rule.least, max=rule.most)
    unset = form.kind in (_TEXTS, _FILE, int | None)
    return _keyword(_flag(name), Annotated[kind, told], None if unset else default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _form(name: str) -> _Form:
    return _FORMS.get(name, _Form(None))


def _flag(name: str) -> str:
    return _form(name).flag or name
