from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gapsack.dashboards.figures.labels import Box, Label, place_labels, shortened

FRAME = Box(0, 0, 800, 400)


def labels(spread: float) -> st.SearchStrategy[list[Label]]:
    """Labels of points that are at most `spread` pixels apart in each direction."""
    near = st.floats(0, spread)
    one = st.builds(
        Label,
        text=st.text("abcK0", min_size=1, max_size=24),
        x=near.map(lambda x: 300 + x),
        y=near.map(lambda y: 150 + y),
        radius=st.floats(3, 10),
        size=st.floats(9, 16),
        bold=st.booleans(),
    )
    return st.lists(one, max_size=12)


@given(st.one_of(labels(0), labels(8), labels(60), labels(250)))
def test_no_label_lies_on_another_or_on_a_mark_or_leaves_the_frame(given_labels: list[Label]) -> None:
    marks = [Box.around(label.x, label.y, label.radius) for label in given_labels]
    placed = [each[1] for each in place_labels(given_labels, marks, FRAME) if each is not None]
    assert all(box.inside(FRAME) for box in placed)
    assert not any(one.meets(other) for one, other in itertools.combinations(placed, 2))
    assert not any(box.meets(mark) for box in placed for mark in marks)


@given(labels(60))
def test_the_first_label_is_placed_wherever_it_alone_would_be(given_labels: list[Label]) -> None:
    marks = [Box.around(label.x, label.y, label.radius) for label in given_labels]
    assert place_labels(given_labels, marks, FRAME)[:1] == [
        place_labels([label], marks, FRAME)[0] for label in given_labels[:1]
    ]


def test_an_ensemble_beside_the_best_model_has_a_label_and_so_has_the_model() -> None:
    ensemble, model = Label("Ensemble 0.9130", 300, 150, 9), Label("K16-H512", 304, 156, 7)
    marks = [Box.around(each.x, each.y, each.radius) for each in (ensemble, model)]
    assert None not in place_labels([ensemble, model], marks, FRAME)


def test_a_label_without_room_is_left_out() -> None:
    label = Label("a name", 100, 100, 5)
    assert place_labels([label], [FRAME], FRAME) == [None]


def test_a_line_is_crossed_only_where_nothing_else_is_free() -> None:
    label = Label("a name", 300, 150, 5)
    (first,) = place_labels([label], [], FRAME)
    assert first is not None
    (aside,) = place_labels([label], [], FRAME, lines=[first[1]])
    assert aside is not None
    assert not aside[1].meets(first[1])
    assert place_labels([label], [], FRAME, lines=[FRAME]) == [first]


def test_a_label_is_shortened_before_it_is_left_out() -> None:
    name = "a-name-of-very-many-letters"
    label = Label(name, 60, 60, 5, shorter=(shortened(name, 16), shortened(name, 8)))
    frames = {width: Box(0, 0, width, 120) for width in (400, 130, 40)}
    placed = {width: place_labels([label], [], frame)[0] for width, frame in frames.items()}
    texts = {width: None if each is None else each[0].text for width, each in placed.items()}
    assert texts == {400: name, 130: "a-name-o…letters", 40: None}


@given(st.text(min_size=1, max_size=60), st.integers(3, 30))
def test_a_shortened_name_keeps_its_ends_and_its_length(name: str, most: int) -> None:
    short = shortened(name, most)
    assert len(short) == min(len(name), most)
    assert short == name or (short[0] == name[0] and short[-1] == name[-1] and "…" in short)
