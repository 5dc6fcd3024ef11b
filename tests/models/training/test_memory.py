"""A worker trains one model after the other: each gives its memory back."""

import gc
from pathlib import Path

import numpy as np
import pytest

from gapsack.models import registry, sizes
from gapsack.models.training import Recipe, Trainer

STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096
LARGE = {"clusters": 2, "hidden": 192, "classes": 1000, "rgb": 8, "audio": 4}


def resident_bytes():
    gc.collect()
    return int(STATM.read_text().split()[1]) * PAGE_BYTES


@pytest.mark.long  # there, few other tests of the process have grown before
@pytest.mark.skipif(not STATM.exists(), reason="memory is read from /proc")
def test_closed_trainers_leave_no_weights_behind():
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 12), dtype=np.uint8)
    after = []
    for seed in range(4):
        trainer = Trainer(registry.build("gated_netvlad", seed=seed, **LARGE), Recipe(batch_size=2))
        trainer.train_step({"frames": frames}, np.zeros((2, 1000), bool))
        trainer.take_loss()
        trainer.predict_top({"frames": frames}, 20)
        trainer.close()
        after.append(resident_bytes())
    model_bytes = sizes.size_bytes("gated_netvlad", LARGE, "float32")
    # Weights and moments of two more models would be six times its bytes; XLA keeps programs, some MiB a model.
    assert after[-1] - after[1] < 5 * model_bytes
