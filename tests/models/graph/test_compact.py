from __future__ import annotations

import tensorflow as tf

from gapsack.models.graph.compact import compact, rename_tensor


def graph_def():
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.float32, [None, 3], name="given")
        first = tf.matmul(given, tf.ones([3, 2]), name="some/long/name/first")
        second = tf.matmul(given, tf.ones([3, 2]), name="some/long/name/second")
        with tf.control_dependencies([first]):
            third = tf.matmul(given, tf.ones([3, 2]))
        noise = [tf.random.normal([1, 2], seed=1), tf.random.normal([1, 2], seed=1)]
        tf.add_n([first, second, third, *noise], name="total")
        tf.split(given, 3, axis=1, name="split")
    stateful = {operation.type for operation in graph.get_operations() if operation.op_def.is_stateful}
    return graph.as_graph_def(add_shapes=True), stateful


def test_what_is_computed_twice_is_merged_but_nothing_that_has_state_or_waits():
    before, stateful = graph_def()
    after, renamed = compact(before, keep={"given", "total", "split"}, stateful=stateful)
    counts = {op: [node.op for node in after.node].count(op) for op in ("MatMul", "RandomStandardNormal", "AddN")}
    assert counts == {"MatMul": 2, "RandomStandardNormal": 2, "AddN": 1}
    assert renamed["some/long/name/first"] == renamed["some/long/name/second"]
    assert after.ByteSize() < 0.7 * before.ByteSize()


def test_the_smaller_graph_computes_the_same():
    before, stateful = graph_def()
    after, renamed = compact(before, keep={"given", "total", "split"}, stateful=stateful - {"RandomStandardNormal"})

    def run(graph, fetches):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.import_graph_def(graph, name="")
            return session.run(fetches, {"given:0": [[1.0, 2.0, 3.0]]})

    name = "some/long/name/first:0"
    (old, old_split), (new, new_split) = (
        run(before, [name, "split:2"]),
        run(after, [rename_tensor(name, renamed), rename_tensor("split:2", renamed)]),
    )
    assert (old == new).all() and (old_split == new_split).all() and new_split.item() == 3


def test_kept_names_stay_even_where_they_repeat_each_other():
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.float32, [], name="given")
        for name in ("inner", "kept", "also_kept"):
            tf.identity(given, name=name)
    after, renamed = compact(graph.as_graph_def(), keep={"kept", "also_kept"}, stateful=set())
    assert {"kept", "also_kept"} <= {node.name for node in after.node}
    assert renamed == {"given": "op1", "inner": "op2", "kept": "kept", "also_kept": "also_kept"}
