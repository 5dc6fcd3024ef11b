"""What lies at a URL is named by it, whichever folder of this machine it is worked on in."""

import pickle
from pathlib import Path

import pytest

from gapsack.sweep.storage.addresses import address_of, as_told, retell
from gapsack.sweep.storage.mirrored import at_way, mirrored, reading, way_to
from gapsack.sweep.storage.objects import StorageAwayError


@pytest.fixture
def mirror(tmp_path):
    with mirrored(tmp_path / "with a space") as mirror:
        yield mirror


def test_texts_name_urls(mirror):
    run = mirror.path("s3://bucket/runs/mine")
    assert address_of(run) == "s3://bucket/runs/mine"
    assert as_told(f"expected a run in {run}, got '{run}/pool': {run}") == (
        "expected a run in s3://bucket/runs/mine, got 's3://bucket/runs/mine/pool': s3://bucket/runs/mine"
    )
    assert as_told(f"{mirror.path('memory://a')}") == "memory://a"


def test_a_url_that_has_gone_through_a_path_has_its_slashes_again():
    assert as_told(f"nothing in {Path('s3://bucket/runs')}; gs:/a and gs://a") == (
        "nothing in s3://bucket/runs; gs://a and gs://a"
    )
    for others in ("http:/a", "c:/s3", "a/s3:/b", "xs3:/b", "s3:/ b", "s3:"):
        assert as_told(others) == others
    assert address_of(Path("s3://bucket/runs")) == "s3://bucket/runs"


def test_what_is_on_this_machine_alone_stays_where_it_is(mirror, tmp_path):
    run = mirror.path("s3://bucket/runs/mine")
    assert as_told(f"(all of it: {run}/ray.log)") == f"(all of it: {run}/ray.log)"
    assert as_told(f"{tmp_path}/s3/bucket") == f"{tmp_path}/s3/bucket"


def test_a_mirror_that_is_gone_is_named_no_more(tmp_path):
    with mirrored(tmp_path / "m") as mirror:
        path = mirror.path("s3://bucket/a")
        assert as_told(str(path)) == "s3://bucket/a"
    assert as_told(str(path)) == str(path)


def test_a_mirror_that_a_link_leads_to_is_named_by_both(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with mirrored(tmp_path / "link" / "m") as mirror:
        path = mirror.path("s3://bucket/a")
        assert path == path.resolve()
        assert address_of(path.resolve()) == "s3://bucket/a"


def test_errors_tell_urls_with_all_that_led_to_them(mirror):
    path = mirror.path("s3://bucket/a")
    error, cause = ValueError(f"damaged: {path}", 3), FileNotFoundError(2, "nothing", str(path))
    error.__cause__ = cause
    cause.__context__ = error
    retell(error)
    assert str(error) == "('damaged: s3://bucket/a', 3)"
    assert str(cause) == "[Errno 2] nothing: 's3://bucket/a'"


def test_storage_that_is_away_says_so_also_in_another_process():
    away = pickle.loads(pickle.dumps(StorageAwayError(5, "none for 2 seconds: lost", "s3://bucket/a")))
    assert str(away) == "expected s3://bucket/a to answer, got none for 2 seconds: lost"


def test_ways_lead_there_and_back(mirror, tmp_path):
    run, other, here = (mirror.path("s3://bucket/runs/mine"), mirror.path("s3://other/pool"), tmp_path / "here")
    assert way_to(run / "pool", run) == "pool"
    assert way_to(other, run) == "../../../other/pool"
    assert way_to(other, here) == "s3://other/pool"
    assert way_to(here, run) == str(here)
    assert way_to(here / "pool", here) == "pool"
    assert at_way(run, "../pool") == run / "../pool"
    assert at_way(run, str(here)) == here
    with reading():
        assert address_of(at_way(here, "s3://other/pool")) == "s3://other/pool"
