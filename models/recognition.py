"""Which family a model from elsewhere belongs to, and its hyperparameters, by the names and shapes of its tensors.

Every family that knows its reference implementation's tensors (`Family.recognise`) is tried. A model is one of a
family when all of the family's tensors are there in the shapes that the hyperparameters give, and no variable is left
that would have to do something in the model: a network with a layer more is another network, whose predictions would be
wrong without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gapsack.models import registry
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Number
from gapsack.models.tensors import Shapes, Tensor
from gapsack.selection.errors import InputError

MOST_PROBLEMS = 4
"""Tensors that are told by name in an error."""
STAND_IN = 8
"""What required numbers are taken to be where only the names of tensors are asked for, or their least value."""


@dataclass(frozen=True)
class RecognisedModel:
    """A model whose family is known.

    Attributes:
        family: Its name.
        decided: Hyperparameters that the shapes decide, and those that were given.
        assumed: The others, which are the family's defaults.
        tensors: All of the model's, by the family's names, in its order.
    """

    family: str
    decided: dict[str, Any]
    assumed: dict[str, Any]
    tensors: tuple[Tensor, ...]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """All of them."""
        return {**self.decided, **self.assumed}


def recognisable(names: Sequence[str] = ()) -> list[Family]:
    """The families that models from elsewhere may belong to, or those of these names.

    Raises:
        InputError: One of the names is no family's, or that of one without a reference implementation.
    """
    chosen = [registry.family(name) for name in dict.fromkeys(names) or registry.families()]
    unknown = [family.name for family in chosen if family.recognise is None]
    if names and unknown:
        known = ", ".join(family.name for family in recognisable())
        raise InputError(
            f"expected families whose tensors are those of a reference implementation ({known}), got {unknown[0]}"
        )
    return [family for family in chosen if family.recognise is not None]


def recognise(shapes: Shapes, *, where: str, families: Sequence[str] = ()) -> RecognisedModel:
    """The model that has tensors of these shapes.

    Args:
        shapes: Of all variables, by name below the model's scope. Scalars and variables below another one's name, such
            as an optimizer's or a moving average, may stand among them.
        where: What errors name.
        families: Names of the families to try; all if empty. One of these may leave variables aside that it does not
            know, if none of them has exactly these.

    Raises:
        InputError: None or several of the families have these tensors; names the closest and what does not fit.
    """
    found = [_Comparison.of(family, shapes) for family in recognisable(families)]
    fitting = [each for each in found if each.fits]
    if families and not fitting:
        fitting = [each for each in found if each.fits_without_others]
    if len(fitting) == 1:
        return fitting[0].model
    if fitting:
        names = ", ".join(each.family.name for each in fitting)
        raise InputError(
            f"expected the tensors of one family in {where}, got those that {names} have alike (--family says which)"
        )
    closest = max(found, key=lambda each: each.likeness)
    if not closest.likeness:
        tried = ", ".join(each.family.name for each in found)
        raise InputError(f"expected the tensors of a model family ({tried}) in {where}, got {_some(sorted(shapes))}")
    raise InputError(
        f"expected the tensors of a model family in {where}, got those of none: closest is {closest.description}, but "
        f"{_some(closest.problems, '; ')}{closest.advice}"
    )


def with_options(model: RecognisedModel, options: Mapping[str, Any], *, where: str) -> RecognisedModel:
    """The model with those of the options that its family has in place of what was decided or assumed.

    Raises:
        InputError: A value is out of range, or the model would have other tensors with it.
    """
    family = registry.family(model.family)
    known = family.parameters({**model.hyperparameters, **options})
    given = {name: value for name, value in options.items() if name in known}
    if not given:
        return model
    wanted = {name: value for name, value in model.hyperparameters.items() if name in known}
    complete = family.validate({**wanted, **given})
    tensors = family.tensors(complete)
    shapes = {tensor.name: tensor.shape for tensor in model.tensors}
    problems = _differences(tensors, shapes, shapes)
    if problems:
        told = ", ".join(f"{name} {value}" for name, value in given.items())
        raise InputError(f"expected options that {where} can have, got {told}: {_some(problems, '; ')}")
    decided = {name: value for name, value in complete.items() if name in model.decided or name in given}
    assumed = {name: value for name, value in complete.items() if name not in decided}
    return replace(model, decided=decided, assumed=assumed)


@dataclass(frozen=True)
class _Comparison:
    """A family beside a model's shapes.

    Attributes:
        family: The family.
        model: What the shapes are taken for; where the family takes them for nothing, any model of it, of which names
            alone count.
        refusal: Why it takes them for nothing, or None.
        missing: Sentences about the model's tensors that are not there or have other shapes.
        others: Sentences about variables that are no tensors of the model.
        likeness: Tensors that fit, as a share of all tensors and others.
    """

    family: Family
    model: RecognisedModel
    refusal: str | None
    missing: list[str]
    others: list[str]
    likeness: float

    @classmethod
    def of(cls, family: Family, shapes: Shapes) -> _Comparison:
        """Compare."""
        prefix = f"{family.scope}/" if family.scope else ""
        scoped = {f"{prefix}{name}": shape for name, shape in shapes.items()}
        refusal = None
        try:
            model = _recognised(family, scoped)
        except _RefusalError as refused:
            model, refusal = _stand_in(family), str(refused)
        tensors = {tensor.name: tensor.shape for tensor in model.tensors}
        if refusal is not None:  # whatever the shapes are
            scoped = {name: tensors.get(name, shape) for name, shape in scoped.items()}
        missing = _differences(model.tensors, scoped, ())
        others = _differences((), scoped, [name for name in _own(scoped) if name not in tensors])
        fitting = len(tensors) - len(missing)
        return cls(family, model, refusal, missing, others, fitting / max(1, len(tensors) + len(others)))

    @property
    def fits(self) -> bool:
        """Whether the model is one of the family."""
        return self.fits_without_others and not self.others

    @property
    def fits_without_others(self) -> bool:
        """Whether it is one of the family with variables more."""
        return self.refusal is None and not self.missing

    @property
    def problems(self) -> list[str]:
        """Why it does not fit."""
        return self.missing + self.others if self.refusal is None else [self.refusal]

    @property
    def description(self) -> str:
        """The family, with the hyperparameters where they are known."""
        told = ", ".join(f"{name} {value}" for name, value in self.model.decided.items())
        return f"{self.family.name} with {told}" if told else self.family.name

    @property
    def advice(self) -> str:
        """What may be done about it, where something may."""
        name = self.family.name
        return f" (--family {name} leaves such variables aside)" if self.fits_without_others else ""


class _RefusalError(Exception):
    """Why a family does not take shapes for those of a model of it."""


def _recognised(family: Family, shapes: Shapes) -> RecognisedModel:
    """What the family takes the shapes for."""
    try:
        decided = {} if family.recognise is None else family.recognise(shapes)
        return _model(family, family.validate(decided), decided)
    except KeyError as missing:
        raise _RefusalError(f"{missing.args[0]} is missing") from missing
    except InputError as problem:
        raise _RefusalError(str(problem)) from problem
    except (IndexError, ValueError, ZeroDivisionError) as other:  # than the dimensions that the family's tensors have
        raise _RefusalError("its tensors have other shapes") from other


def _model(family: Family, complete: Mapping[str, Any], decided: Mapping[str, Any]) -> RecognisedModel:
    ours = {name: value for name, value in complete.items() if name in decided}
    assumed = {name: value for name, value in complete.items() if name not in decided}
    return RecognisedModel(family.name, ours, assumed, family.tensors(complete))


def _stand_in(family: Family) -> RecognisedModel:
    """Any model of the family, for the names of its tensors; without any if it takes more than numbers to make one."""
    required = [each for each in family.hyperparameters if isinstance(each, Number) and each.default is None]
    try:
        complete = family.validate({each.name: max(STAND_IN, int(each.minimum)) for each in required})
        return _model(family, complete, {})
    except InputError:
        return RecognisedModel(family.name, {}, {}, ())


def _own(shapes: Shapes) -> list[str]:
    """Variables that are neither scalars, such as counts of steps, nor below another's name, such as Adam's moments."""
    return sorted(name for name, shape in shapes.items() if shape and not _below_another(name, shapes))


def _below_another(name: str, shapes: Shapes) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:count]) in shapes for count in range(1, len(parts)))


def _differences(tensors: Sequence[Tensor], shapes: Shapes, own: Iterable[str]) -> list[str]:
    """What of the tensors is not among the shapes, and what of `own` not among the tensors."""
    problems = []
    for tensor in tensors:
        shape = shapes.get(tensor.name)
        if shape != tensor.shape:
            told = "is missing" if shape is None else f"has shape {shape}, not {tensor.shape}"
            problems.append(f"{tensor.name} {told}")
    known = {tensor.name for tensor in tensors}
    return problems + [f"{name} {shapes[name]} is not among its tensors" for name in own if name not in known]


def _some(texts: Sequence[str], separator: str = ", ") -> str:
    more = [f"{len(texts) - MOST_PROBLEMS} more"] if len(texts) > MOST_PROBLEMS else []
    return separator.join([*texts[:MOST_PROBLEMS], *more])
