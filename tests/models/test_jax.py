import os
import subprocess
import sys
from pathlib import Path

import pytest

# What a backend can get wrong by itself; the rest of the suite is arithmetic that both share.
BACKEND_MATTERS = (
    "authors or last_bit or top or not_finite or predictions or accumulated or average or overflow or every_matrix"
    " or without_loss"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["test_gated_netvlad.py", "test_training.py", "test_calibration.py", "test_pruning.py"]
)
def test_the_same_code_passes_the_same_tests_on_jax(module, tmp_path):
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", "-x", "-k", BACKEND_MATTERS, str(Path(__file__).with_name(module))]
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),  # trainers of one recipe compile once
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert result.returncode == 0, result.stdout[-3000:]
    assert " passed" in result.stdout
