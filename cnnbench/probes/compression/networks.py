"""The network that is compressed, built in whichever Keras this process has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cnnbench.analysis.keras_settings import use_standard_keras
from cnnbench.errors import Unavailable, UserError, brief
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression import carry_over


def use_keras_2() -> None:
    """Make ``tf.keras`` Keras 2 in this process, before anything has touched it.

    Raises:
        RuntimeError: too late, it is Keras 3 already.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise RuntimeError("tf.keras is Keras 3 already: the toolkit needs a process of its own")
    use_standard_keras()
    # Keras 2's own is clip(0.2 x + 0.5, 0, 1); the networks are made for Keras 3's.
    tf.keras.utils.get_custom_objects()["hard_sigmoid"] = hard_sigmoid


def hard_sigmoid(x: Any) -> Any:
    """Keras 3's: relu6(x + 3) / 6."""
    import tensorflow as tf

    return tf.nn.relu6(x + 3.0) / 6.0


def build(subject: ModelHandle, training: AccuracySetting | None) -> tuple[Any, str]:
    """The flat network that was trained, with fresh weights, and its output as `judged` says.

    Args:
        subject: at the input and with the classes that it was trained for.
        training: how; a ``transfer`` has a head of its own, and None is the network as it is.

    Returns:
        A ``keras.Model`` of this process's Keras without nested models.
    """
    if training is None:
        return network.judged(subject, subject.build())
    shape, classes = subject.input_shape, subject.classes
    if training.recipe == "scratch":
        return network.judged(subject, subject.build(input_shape=shape, classes=classes))
    import tensorflow as tf

    layers = tf.keras.layers
    backbone = subject.build(input_shape=shape, include_top=False)
    features = backbone.outputs[0]
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D(name="head_pool")(features)
    scores = layers.Dense(classes, activation="softmax", name="head_scores")(features)
    return tf.keras.Model(backbone.inputs[0], scores, name=backbone.name), ""


def fresh_copy(subject: ModelHandle, training: AccuracySetting | None, folder: Path) -> Any:
    """The trained network, built anew in this process's Keras, with the same answers.

    Raises:
        Unavailable: it cannot be built in it, or answers otherwise.
    """
    try:
        model, _ = build(subject, training)
    except (UserError, ValueError, TypeError, AttributeError, ImportError) as error:
        if os.environ.get("TF_USE_LEGACY_KERAS") != "1":
            raise
        reason = brief(error)
        raise Unavailable(
            f"it cannot be built in Keras 2, which the toolkit needs: {reason}"
        ) from error
    carry_over.load(model, folder / carry_over.WEIGHTS)
    carry_over.check_answers(model, folder)
    return model
