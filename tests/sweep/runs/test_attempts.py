"""Whose a trial is, by the numbered files that attempts leave in its folder."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from gapsack.sweep.runs.attempts import Attempt, TrialSupersededError


def test_the_newest_attempt_has_the_trial(tmp_path):
    first = Attempt.begin(tmp_path / "K2-H8")
    first.check()
    second = Attempt.begin(tmp_path / "K2-H8")
    second.check()
    assert (first.token.number, second.token.number) == (1, 2)
    with pytest.raises(TrialSupersededError) as ended:
        first.check()
    assert str(ended.value) == (
        f"attempt 1 at K2-H8 ends: attempt 2, process {second.token.pid} on {second.token.host}, has begun since, "
        "and has the trial"
    )


def test_of_attempts_that_begin_at_the_same_time_each_has_a_number_and_one_the_trial(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        attempts = list(threads.map(lambda _: Attempt.begin(tmp_path / "trial"), range(24)))
    assert sorted(attempt.token.number for attempt in attempts) == list(range(1, 25))
    assert [attempt.token.number for attempt in attempts if attempt.is_newest()] == [24]


def test_a_number_that_was_taken_and_not_written_yet_counts(tmp_path):
    first = Attempt.begin(tmp_path)
    (tmp_path / "attempt-2.json").touch()
    with pytest.raises(TrialSupersededError, match="attempt 2 has begun since"):
        first.check()
    assert Attempt.begin(tmp_path).token.number == 3


def test_a_folder_that_is_made_anew_is_another_trial(tmp_path):
    before = Attempt.begin(tmp_path / "trial")
    shutil.rmtree(tmp_path / "trial")
    with pytest.raises(TrialSupersededError, match="was deleted or made anew"):
        before.check()
    now = Attempt.begin(tmp_path / "trial")
    assert now.token.number == before.token.number
    assert (before.is_newest(), now.is_newest()) == (False, True)


def test_a_folder_that_cannot_be_read_says_nothing_of_whose_it_is(tmp_path):
    attempt = Attempt.begin(tmp_path)
    (tmp_path / "attempt-1.json").unlink()
    (tmp_path / "attempt-1.json").mkdir()
    with pytest.raises(IsADirectoryError):
        attempt.check()


def test_why_an_attempt_ended_stands_in_its_own_file_alone(tmp_path):
    first, second = Attempt.begin(tmp_path), Attempt.begin(tmp_path)
    first.end("another has it")
    assert json.loads((tmp_path / "attempt-1.json").read_text())["ended"] == "another has it"
    assert json.loads((tmp_path / "attempt-2.json").read_text())["ended"] is None
    (tmp_path / "attempt-1.json").write_bytes((tmp_path / "attempt-2.json").read_bytes())
    first.end("that is not its own any more")
    assert json.loads((tmp_path / "attempt-1.json").read_text())["ended"] is None
    assert second.is_newest()
