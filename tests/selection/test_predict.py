"""An ensemble applied to arrays, against the search's scores and a plain loop; and what a notebook shows of values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import case_of_seven, dense_case, pool_of

from gapsack.selection.errors import InputError
from gapsack.selection.frontier import frontier
from gapsack.selection.gap import gap_at_k
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
from gapsack.selection.search import search_ensemble
from gapsack.selection.shown import MOST_ROWS, html_table


def ensemble_of(weights, blend="probability"):
    members = tuple(EnsembleMember(f"m{n}", "float16", weight, 10) for n, weight in enumerate(weights))
    return Ensemble(members, total_bytes=10 * len(members), budget_bytes=100, blend=blend)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), blend=st.sampled_from(["probability", "logit"]), models=st.integers(1, 4))
def test_it_is_the_weighted_mean_of_probabilities_or_logits(seed, blend, models):
    rng = np.random.default_rng(seed)
    scores = rng.random((models, 5, 7)).astype(np.float32)
    scores[0, 0, :2] = 0.0, 1.0
    weights = rng.dirichlet(np.ones(models))
    found = ensemble_of(weights, blend).predict({f"m{n}": part for n, part in enumerate(scores)})
    for item in range(5):
        for number in range(7):
            values = [min(max(float(each), 1e-6), 1 - 1e-6) for each in scores[:, item, number]]
            if blend == "logit":
                mean = sum(w * np.log(v / (1 - v)) for w, v in zip(weights, values, strict=True))
                expected = 1 / (1 + np.exp(-mean))
            else:
                expected = sum(w * float(v) for w, v in zip(weights, scores[:, item, number], strict=True))
            assert found[item, number] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("blend", ["probability", "logit"])
def test_its_gap_is_the_one_that_the_search_told(blend):
    scores, labels = dense_case(5, videos=120, classes=30, models=4)
    found = search_ensemble(pool_of(scores, labels, [10] * 4, k=30), budget_bytes=30, blend=blend, folds=1)
    blended = found.predict({f"m{n}": part for n, part in enumerate(scores)})
    assert gap_at_k(blended, labels) == pytest.approx(found.gap, abs=1e-9)


def test_models_of_several_outputs_are_blended_by_the_name_of_one():
    rng = np.random.default_rng(0)
    genre, mood, alone = rng.random((3, 2, 3)), rng.random((3, 2, 4)), rng.random((2, 3))
    both = ensemble_of([0.25, 0.75])
    expected = 0.25 * genre[0] + 0.75 * genre[1]
    given = {f"m{n}": {"genre": genre[n], "mood": mood[n]} for n in range(2)}
    np.testing.assert_allclose(both.predict(given, output="genre"), expected)
    # Beside them a model of one output, and one that is no member, whatever it gives.
    np.testing.assert_allclose(
        both.predict({"m0": alone, "m1": {"genre": genre[1]}, "x": [genre[2], mood[2]]}), 0.25 * alone + 0.75 * genre[1]
    )
    with pytest.raises(InputError, match=r"m0: expected which output .* one of genre, mood, got none"):
        both.predict(given)
    with pytest.raises(InputError, match="m0: expected the output style, got genre, mood"):
        both.predict(given, output="style")
    with pytest.raises(InputError, match=r"m1: expected probabilities .*, got a list of 2 arrays: name them"):
        both.predict({"m0": alone, "m1": [genre[1], mood[1]]}, output="genre")
    np.testing.assert_allclose(both.predict({"m0": alone.tolist(), "m1": alone.tolist()}), alone)


@pytest.mark.parametrize(
    ("predictions", "told"),
    [
        ({"m0": np.zeros((2, 3))}, "got none of m1"),
        ({"m0": np.zeros((2, 3)), "m1": np.zeros((2, 4))}, r"m1: expected predictions of the shape \(2, 3\)"),
        ({"m0": np.zeros((2, 3)), "m1": np.full((2, 3), 1.5)}, "m1: expected probabilities from 0 to 1"),
        ({"m0": np.zeros((2, 3)), "m1": np.full((2, 3), np.nan)}, "m1: expected probabilities from 0 to 1"),
        ({"m0": np.zeros(3), "m1": np.zeros(3)}, r"m0: expected probabilities \[items, classes\]"),
        ({"m0": np.array([["a"]]), "m1": np.zeros((1, 1))}, "m0: expected probabilities"),
    ],
)
def test_what_does_not_fit_is_told(predictions, told):
    with pytest.raises(InputError, match=told):
        ensemble_of([0.5, 0.5]).predict(predictions)


def test_values_show_what_they_are_and_no_arrays():
    _, _, pool = case_of_seven()
    found, every = search_ensemble(pool, budget_bytes=100, folds=2), frontier(pool, max_members=1)
    for value in (pool, pool.labels, pool.candidates[0], pool.candidates[0].predictions, found, every):
        assert "array" not in repr(value)
        assert len(repr(value)) < 400
    assert repr(pool).startswith("<CandidatePool m0, m1, m2, m3, m4, m5, … (7); 240 items with")
    assert "cross-fitted" in repr(found)
    for value, cell in ((pool, "m6"), (found, found.members[0].name), (every, f"{every.points[0].tuning_score:.4f}")):
        shown = value._repr_html_()
        assert f">{cell}</td>" in shown
        assert shown.count("<tr>") > 1


def test_text_in_a_table_is_text_and_long_ones_are_cut():
    shown = html_table("<b>", ["<i>"], [["<script>"], [None], [3]], below="<p>")
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert 'text-align:right">3<' in shown
    assert "5 more rows." in html_table("x", ["y"], [[n] for n in range(MOST_ROWS + 5)])
