"""Gated NetVLAD and its training step the way the paper's authors put them: what our step is measured against.

Frames are dequantized to float32 on the host; the graph normalises and copies them, reshapes the mixture to one row per
(video, class), takes the L2 term and its gradient through autodiff, clips each gradient, and leaves the update to
TensorFlow's Adam. Frames come sampled, as ours do, and nothing is made slower than TensorFlow makes it by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from gapsack.models import sizes


class PlainTrainer:
    """The paper's step: batch norm of the batch, Adam at a constant rate, L2 1e-6, each gradient's norm at most 1."""

    def __init__(
        self, hyperparameters: Mapping[str, Any], weights: Mapping[str, Any], *, learning_rate: float = 1e-4
    ) -> None:
        tensors = sizes.tensors("gated_netvlad", hyperparameters)
        self.hyperparameters = {"mixtures": 5, "rgb": 1024, "audio": 128, **hyperparameters}
        self.w = {t.name.removeprefix("tower/"): tf.Variable(weights[t.name], trainable=t.trainable) for t in tensors}
        self.trainable = [variable for variable in self.w.values() if variable.trainable]
        self.moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in self.trainable]
        self.learning_rate, self.steps = learning_rate, tf.Variable(0.0)
        self._compiled = tf.function(self._step)

    def train_step(self, frames: np.ndarray, labels: np.ndarray) -> float:
        """Train on uint8 frames [batch, frames, features] and bool labels [batch, classes]; returns the loss."""
        features = frames.astype(np.float32) * np.float32(4 / 255) + np.float32(4 / 512 - 2)
        return float(self._compiled(features, labels))

    def _step(self, features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            p, y = self.forward(features), tf.cast(labels, tf.float32)
            entropy = y * tf.math.log(p + 1e-5) + (1 - y) * tf.math.log(1 - p + 1e-5)
            loss = tf.reduce_mean(tf.reduce_sum(-entropy, axis=1))
            for name in ("gates/weights", "experts/weights"):
                loss += 1e-6 * tf.nn.l2_loss(self.w[name])
        gradients = [tf.clip_by_norm(gradient, 1.0) for gradient in tape.gradient(loss, self.trainable)]
        self.steps.assign_add(1.0)
        for variable, gradient, (m, v) in zip(self.trainable, gradients, self.moments, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=0.9**self.steps,
                beta2_power=0.999**self.steps,
                lr=self.learning_rate,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8,
                grad=gradient,
            )
        return loss

    def forward(self, features: tf.Tensor) -> tf.Tensor:
        """Probabilities [batch, classes] in training mode, of float32 features [batch, frames, features]."""
        w, rgb = self.w, self.hyperparameters["rgb"]
        V, M = self.hyperparameters["classes"], self.hyperparameters["mixtures"]
        frames = tf.nn.l2_normalize(features, 2)
        video, audio = self._vlad(frames[:, :, :rgb], "video_VLAD"), self._vlad(frames[:, :, rgb:], "audio_VLAD")
        hidden = tf.matmul(tf.concat([video, audio], 1), w["hidden1_weights/hidden1_weights"])
        hidden = tf.nn.relu6(self._batch_norm(hidden, "hidden1_bn"))
        hidden = tf.matmul(hidden, w["hidden2_weights/hidden2_weights"]) + w["hidden2_biases"]
        hidden = self._gated(hidden, "gating_weights/gating_weights", "gating_bn")
        gates = tf.nn.softmax(tf.reshape(tf.matmul(hidden, w["gates/weights"]), [-1, M + 1]))
        experts = tf.matmul(hidden, w["experts/weights"]) + w["experts/biases"]
        experts = tf.nn.sigmoid(tf.reshape(experts, [-1, M]))
        probabilities = tf.reshape(tf.reduce_sum(gates[:, :M] * experts, 1), [-1, V])
        return self._gated(probabilities, "gating_prob_weights", "gating_prob_bn")

    def _vlad(self, frames: tf.Tensor, scope: str) -> tf.Tensor:
        weights, centres = (
            self.w[f"{scope}/conv2/cluster_weights"],
            self.w[f"{scope}/cluster_weights2/cluster_weights2"],
        )
        features, clusters = weights.shape
        length = frames.shape[1]
        rows = tf.reshape(frames, [-1, features])
        share = tf.nn.softmax(self._batch_norm(tf.matmul(rows, weights), f"{scope}/cluster_bn"))
        share = tf.reshape(share, [-1, length, clusters])
        centre = tf.reduce_sum(share, -2, keepdims=True) * centres
        residual = tf.matmul(tf.transpose(share, [0, 2, 1]), tf.reshape(rows, [-1, length, features]))
        residual = tf.nn.l2_normalize(tf.transpose(residual, [0, 2, 1]) - centre, 1)
        return tf.nn.l2_normalize(tf.reshape(residual, [-1, features * clusters]), 1)

    def _gated(self, x: tf.Tensor, weights: str, scope: str) -> tf.Tensor:
        return x * tf.sigmoid(self._batch_norm(tf.matmul(x, self.w[weights]), scope))

    def _batch_norm(self, x: tf.Tensor, scope: str) -> tf.Tensor:
        normalised, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            x[:, tf.newaxis, tf.newaxis, :],
            self.w[f"{scope}/gamma"],
            self.w[f"{scope}/beta"],
            epsilon=1e-3,
            is_training=True,
        )
        for name, value in (("moving_mean", mean), ("moving_variance", variance)):
            moving = self.w[f"{scope}/{name}"]
            moving.assign_sub((moving - value) * 0.001)
        return tf.reshape(normalised, tf.shape(x))
