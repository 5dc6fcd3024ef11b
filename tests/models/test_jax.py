import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["test_gated_netvlad.py", "test_training.py"])
def test_the_same_code_passes_the_same_tests_on_jax(module):
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", "-x", str(Path(__file__).with_name(module))]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert result.returncode == 0, result.stdout[-3000:]
