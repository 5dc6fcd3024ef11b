"""Private parts of libraries that the product stands on: each test says what breaks where one is gone.

numba's are in `selection/test_compiled.py`. A library of which private parts are used has an upper bound in
`pyproject.toml`; a newer one is let in when these tests pass with it.
"""

from __future__ import annotations

import ctypes
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
WITH_PRIVATE_PARTS = ("google-crc32c", "keras", "numba", "ray", "tensorflow")


def test_tensorflow_keeps_the_graphs_of_custom_gradients_in_a_registry_that_can_be_emptied() -> None:
    """Otherwise a worker keeps every model that it ever trained: `TensorFlowBackend.forget_graphs`."""
    import tensorflow as tf
    from tensorflow.python.framework import ops

    from gapsack.models.training import Recipe
    from gapsack.models.training.backends.tensorflow import TensorFlowBackend

    @tf.custom_gradient
    def doubled(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        return 2 * x, lambda upstream: 2 * upstream

    registry = ops.gradient_registry._registry
    assert isinstance(registry, dict)
    TensorFlowBackend(Recipe(kernels="plain")).forget_graphs()
    before = set(registry)
    tf.function(doubled).get_concrete_function(tf.TensorSpec([2], tf.float32))
    assert [name for name in set(registry) - before if name.startswith("CustomGradient-")]
    TensorFlowBackend(Recipe(kernels="plain")).forget_graphs()
    assert set(registry) == before


def test_tensorflow_writes_the_fingerprint_of_a_saved_model() -> None:
    """Otherwise a SavedModel is built without one, and TensorFlow warns of it: `models/graph/formats/savedmodel.py`."""
    from tensorflow.python.saved_model import fingerprinting_utils

    assert list(inspect.signature(fingerprinting_utils.write_fingerprint).parameters) == ["export_dir"]


def test_tensorflow_gives_the_graph_of_a_function_that_another_one_calls() -> None:
    """Otherwise no loop's FLOPs are counted: `models/training/backends/tensorflow_flops.py`."""
    import tensorflow as tf

    @tf.function
    def looped(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda turn, _: turn < 3, lambda turn, each: (turn + 1, each @ each), (0, x))[1]

    graph = looped.get_concrete_function(tf.TensorSpec([2, 2], tf.float32)).graph
    (loop,) = (op for op in graph.get_operations() if op.type in ("While", "StatelessWhile"))
    body = graph._get_function(loop.get_attr("body").name).graph
    assert [op.type for op in body.get_operations()].count("MatMul") == 1
    assert len(body.inputs) == len(loop.inputs) == len(body.outputs)


def test_keras_lists_the_layers_of_a_model_with_those_inside_of_others() -> None:
    """Otherwise a network does not find its tensors: `Network.tensor_layers`, `KerasModel`."""
    import keras

    inner = keras.Sequential([keras.layers.Dense(2)])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dropout(0.5)])
    found = list(model._flatten_layers(include_self=False))
    assert {inner, inner.layers[0], model.layers[-1]} <= set(found)
    assert model not in found
    assert model in set(model._flatten_layers())


def test_google_crc32c_has_its_c_function_in_an_extension() -> None:
    """Otherwise records are checked by plain compiled code, tens of times slower: `sweep/data/tfrecord/crc.py`."""
    import google_crc32c
    from google_crc32c import _crc32c

    assert google_crc32c.implementation == "c"
    extend = ctypes.CDLL(_crc32c.__file__).crc32c_extend
    extend.restype, extend.argtypes = ctypes.c_uint32, (ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t)
    assert extend(google_crc32c.value(b"one "), b"and two", 7) == google_crc32c.value(b"one and two")


def test_ray_starts_in_a_folder_that_is_named() -> None:
    """Otherwise what a sweep leaves in /tmp is not removed after it: `sweep/cluster/ray.py`."""
    ray = pytest.importorskip("ray")

    source = inspect.getsource(inspect.unwrap(ray.init))
    assert re.search(r'kwargs\.pop\(\s*"_temp_dir"', source), "it is no parameter of the signature"


@pytest.mark.parametrize("name", WITH_PRIVATE_PARTS)
def test_a_library_with_private_parts_has_an_upper_bound_that_lets_the_lock_in(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    every = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = [wanted for extra in every for text in extra if (wanted := Requirement(text)).name == name]
    [locked] = re.findall(rf"^{name}==([\d.]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert asked
    for wanted in asked:
        assert any(each.operator == "<" for each in wanted.specifier), str(wanted)
        assert locked in wanted.specifier
