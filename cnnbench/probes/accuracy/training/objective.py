"""Training objectives for all kinds of outputs; targets are always one-hot labels."""

from __future__ import annotations

from typing import Any

from cnnbench.tasks.outputs import Kind


def loss(kind: Kind, label_smoothing: float = 0.0) -> Any:
    """Cross-entropy of one-hot labels ``(n, classes)``; binary for sigmoids and single outputs."""
    import tensorflow as tf

    options = {"from_logits": kind in ("logits", "logit"), "label_smoothing": label_smoothing}
    if kind in ("softmax", "logits"):
        return tf.keras.losses.CategoricalCrossentropy(**options)
    binary = tf.keras.losses.BinaryCrossentropy(**options)
    if kind == "sigmoids":
        return binary
    return lambda labels, outputs: binary(_second(labels), outputs)


def top1(kind: Kind) -> Any:
    """A metric named ``top1``: the share of images whose most probable class is theirs."""
    import tensorflow as tf

    if kind not in ("sigmoid", "logit"):
        return tf.keras.metrics.CategoricalAccuracy(name="top1")
    border = 0.5 if kind == "sigmoid" else 0.0

    def is_right(labels: Any, outputs: Any) -> Any:
        # As `argmax` would have it: of two equal classes the first.
        return tf.cast(tf.equal(_second(labels) > 0.5, outputs > border), tf.float32)

    return tf.keras.metrics.MeanMetricWrapper(is_right, name="top1")


def _second(labels: Any) -> Any:
    return labels[:, 1:]
