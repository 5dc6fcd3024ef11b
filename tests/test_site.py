"""The documentation as a site: every page is there, and a warning, such as a link to nowhere, fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def build(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """mkdocs on the project, or on the configuration that options name."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder), *map(str, options)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_every_page_and_decision_is_there(site):
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    decisions = {page.stem for page in (ROOT / "docs/adr").glob("[0-9]*.md")}
    assert {"index", "changelog", "contributing", *pages} <= {page.stem for page in site.glob("*.html")}
    assert decisions <= {page.stem for page in (site / "adr").glob("*.html")}


@pytest.mark.slow
def test_the_reference_has_the_public_names(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in ("search_ensemble", "CandidatePool", "gap_at_k", "frontier", "Predictor"):
        assert re.search(rf'id="gapsack[.a-z_]*\.{name}"', text), name
    for stage in ("run", "status", "ensemble", "build", "evaluate", "predict"):
        assert f'id="gapsack.sweep.api.{stage}"' in text


@pytest.mark.slow
def test_pages_link_to_pages_of_the_site_alone(site):
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue  # its links begin at a server's root
        for target in re.findall(r'<a [^>]*href="([^"#]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.slow
def test_a_link_to_nowhere_fails(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Here\n[there](nowhere.md)\n")
    config = tmp_path / "mkdocs.yml"
    lines = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").splitlines()
    strictness = [line for line in lines if line.startswith("strict") or "_links" in line or line == "validation:"]
    config.write_text("\n".join(["site_name: small", *strictness]) + "\n")
    done = build(tmp_path / "site", "--config-file", config)
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
