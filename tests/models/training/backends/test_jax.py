import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

MODELS = Path(__file__).parents[2]
MODULES = (
    "families/gated_netvlad/test_tensors",
    "training/test_trainer",
    "training/test_pruning",
    "test_calibration",
)
# What a backend can get wrong by itself; the rest of the suite is arithmetic that both share.
BACKEND_MATTERS = (
    "authors or last_bit or top or not_finite or predictions or accumulated or average or overflow or every_matrix"
    " or without_loss"
)


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    """(outcomes by module, what pytest said) of one process for all modules: imports and compiled code are shared."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("jax")
    report = folder / "report.xml"
    files = [str(MODELS / f"{module}.py") for module in MODULES]
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),  # trainers of one recipe compile once
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-m", "pytest", "-k", BACKEND_MATTERS, f"--junit-xml={report}", *files]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=580)
    said = (result.stdout + result.stderr)[-3000:]
    assert report.exists(), said
    outcomes = {module: [] for module in MODULES}
    for case in ElementTree.parse(report).iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        module = case.get("classname").replace(".", "/").partition("tests/models/")[2]
        outcomes.setdefault(module, []).append((outcome, case.get("name")))
    return outcomes, said


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", MODULES)
def test_the_same_code_passes_the_same_tests_on_jax(module, on_jax):
    outcomes, said = on_jax
    assert [name for outcome, name in outcomes[module] if outcome == "failed"] == [], said
    assert [name for outcome, name in outcomes[module] if outcome == "passed"], said
