"""What kind of task labels are of, by how many each item has: it decides what several metrics mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gapsack.selection.pool.lists import Labels

Kind = Literal["flag", "pair", "single", "several"]
"""``flag``: binary, one class that an item has or has not. ``pair``: binary, two classes of which every item has one;
the positive one is class 1, as in scikit-learn. ``single``: more classes, of which every item has exactly one.
``several``: anything else, such as any number of labels an item."""

MEANS: dict[Kind, str] = {
    "flag": "one class that an item has or has not",
    "pair": "two classes of which every item has one",
    "single": "exactly one label an item",
    "several": "any number of labels an item",
}


def kind_of(labels: Labels) -> Kind:
    """The kind of the labels of a whole pool; a part of one may look like another kind."""
    if labels.class_count == 1:
        return "flag"
    if not bool((labels.counts == 1).all()):
        return "several"
    return "pair" if labels.class_count == 2 else "single"


def has_one_label(kind: Kind) -> bool:
    """Whether every item has exactly one of several classes."""
    return kind in {"pair", "single"}
