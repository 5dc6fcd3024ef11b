from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import contest as contest_module
from benchmarks import paper_twin, report, scaling
from benchmarks.baselines import Problem, greedy_masked
from benchmarks.contest import BUDGETS, OURS, RANDOM, Found, Halves, Result, contest, halves
from benchmarks.paper import TABLE_1
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.pool import CandidatePool
from gapsack.selection.units import MIB


@pytest.fixture(scope="module")
def parts() -> Halves:
    return halves(Twin(TwinSpec(seed=3, videos=400, classes=300, slots=50, listed=35)))


def stand_in(parts: Halves) -> contest_module.Search:
    """A search of known outcome, so that these tests hold the contest and not the search."""

    def search(pool: CandidatePool, budget_bytes: int, seed: int) -> Found:
        sizes = np.array([candidate.size_bytes["float16"] for candidate in pool.candidates])
        return Found(greedy_masked(Problem(parts.tune, sizes, budget_bytes)), 3.0, "stand-in", None)

    return search


def result(method: str, seed: int, tuned: float, held_out: float) -> Result:
    return Result(seed, "400", method, tuned, held_out, 300.0, 5, 0.1, "YP", [0.5, 0.5])


def test_halves_share_no_video_and_lose_none(parts: Halves) -> None:
    ids = parts.pool.labels.video_ids
    assert len(ids) == 200
    assert len(np.unique(ids)) == 200
    whole = Twin(TwinSpec(seed=3, videos=400, classes=300, slots=50, listed=35))
    together = BlendScorer(whole.pool())
    assert parts.tune.videos + parts.held_out.videos == together.videos == 400
    assert parts.tune.single_gaps() != pytest.approx(parts.held_out.single_gaps(), abs=1e-6)


def test_a_contest_scores_every_method_on_both_halves(parts: Halves) -> None:
    results = contest(3, "698.9", parts, stand_in(parts))
    assert [each.method for each in results][:1] == [OURS]
    assert results[-1].method == RANDOM
    assert results[-1].evaluations == 30
    assert results[-1].tuned_gap > max(parts.tune.single_gaps())
    assert len({each.method for each in results}) == 9
    for each in results:
        weights = np.zeros(18)
        weights[[parts.tune.names.index(code) for code in each.members]] = each.weights
        assert parts.held_out.gap(weights) == pytest.approx(each.held_out_gap, abs=1e-4)  # weights are rounded
        sizes = {model.code: model.float16_mib for model in TABLE_1}
        assert each.size_mib == pytest.approx(sum(sizes[code] for code in each.members), abs=1e-3)
        assert each.size_mib <= 698.9


def test_a_contest_keeps_known_results_and_can_do_without_random_draws(parts: Halves) -> None:
    known = {OURS: result(OURS, 3, 0.5, 0.4), "fill by score, equal": result("fill by score, equal", 3, 0.3, 0.2)}
    results = contest(3, "400", parts, stand_in(parts), random_factor=0, known=known)
    by_method = {each.method: each for each in results}
    assert by_method.items() >= known.items()
    assert len(results) == 8
    assert RANDOM not in by_method


def test_results_come_back_from_the_folder_they_were_saved_to(tmp_path: Path) -> None:
    assert paper_twin.earlier_results(tmp_path) == []
    results = [result(OURS, 1, 0.88, 0.87), result("other", 1, 0.87, 0.88)]
    report.save("paper_twin", {"results": [asdict(each) for each in results]}, "", tmp_path)
    assert paper_twin.earlier_results(tmp_path) == results


def test_budgets_hold_the_ensembles_that_name_them() -> None:
    sizes = {model.code: model.size_bytes for model in TABLE_1}
    assert sum(sizes[code] for code in "GF") <= BUDGETS["698.9"]
    assert sum(sizes[code] for code in "FJSO") <= BUDGETS["812.4"] < int(812.45 * MIB)


def test_behind_names_seed_budget_method_and_command() -> None:
    results = [result(OURS, 1, 0.88, 0.87), result("other", 1, 0.8800005, 0.9), result("better", 1, 0.881, 0.8)]
    (sentence,) = paper_twin.behind(results)
    for part in ("seed 1", "400 MiB", "better", "0.0010000", "--first-seed 1 --seeds 1 --budgets 400"):
        assert part in sentence
    assert paper_twin.behind(results[:2]) == []


def test_summary_pairs_differences_by_seed() -> None:
    ours = [result(OURS, seed, 0.88 + seed / 100, 0.87 + seed / 100) for seed in range(3)]
    theirs = [replace(each, method="other", held_out_gap=each.held_out_gap - 0.001) for each in ours]
    text = paper_twin.summary([*ours, *theirs])
    assert "Budget 400 MiB, 3 seed(s)" in text
    assert "+0.001000 ± 0.000000" in text
    assert "1024" not in text


def test_summary_pairs_a_method_with_the_seeds_that_it_ran_on() -> None:
    ours = [result(OURS, seed, 0.88, 0.87) for seed in range(3)]
    text = paper_twin.summary([*ours, result("late", 2, 0.879, 0.871)])
    (line,) = [line for line in text.splitlines() if line.startswith("late")]
    assert "+0.001000" in line
    assert "-0.001000 ± nan" in line


def test_tables_align_and_results_are_saved(tmp_path: Path) -> None:
    text = report.table(["name", "value"], [["a", "1.00"], ["longer", "22.00"]])
    assert text.splitlines() == ["name    value", "-------------", "a        1.00", "longer  22.00"]
    report.save("figures", {"results": [1, 2]}, text, tmp_path)
    stored = json.loads((tmp_path / "figures.json").read_text())
    assert stored["results"] == [1, 2]
    assert stored["machine"]["cores"] >= 1
    assert (tmp_path / "figures.txt").read_text() == text + "\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_grown_pools_keep_the_paper_s_models_and_follow_their_curve() -> None:
    models = scaling.models(60, seed=1)
    assert models[:18] == TABLE_1
    assert len({model.code for model in models}) == 60
    assert models == scaling.models(60, seed=1)
    sizes = np.array([model.float16_mib for model in models[18:]])
    gaps = np.array([model.gap for model in models[18:]])
    assert 80 < sizes.min() < sizes.max() < 382
    assert np.corrcoef(np.log(sizes), gaps)[0, 1] > 0.9
    assert scaling.models(5, seed=1) == TABLE_1[:5]
