"""Building the model to compress in the Keras of this process (Keras 2 for the toolkit)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cnnbench.analysis.keras_settings import use_standard_keras
from cnnbench.errors import Unavailable, UserError, brief
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression import keras_transfer


def use_keras_2() -> None:
    """Select Keras 2 as ``tf.keras`` of this process; call it before anything uses ``tf.keras``.

    Raises:
        RuntimeError: Keras 3 is already in use.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise RuntimeError("Keras 3 already in use: the toolkit needs a process of its own")
    use_standard_keras()
    # Keras 2 has clip(0.2 x + 0.5, 0, 1); the models are made for Keras 3's definition.
    tf.keras.utils.get_custom_objects()["hard_sigmoid"] = hard_sigmoid


def hard_sigmoid(x: Any) -> Any:
    """Return relu6(x + 3) / 6, the definition of Keras 3."""
    import tensorflow as tf

    return tf.nn.relu6(x + 3.0) / 6.0


def build(handle: ModelHandle, training: AccuracySetting | None) -> tuple[Any, str]:
    """Build the trained model without nested models, with fresh weights.

    Args:
        handle: the model, with the input shape and classes it was trained for.
        training: its training; a ``transfer`` has a head of its own. None for an untrained model.

    Returns:
        A ``keras.Model`` with one output, and the path of that output as `network.select_output`.
    """
    if training is None:
        return network.select_output(handle, handle.build())
    shape, classes = handle.input_shape, handle.classes
    if training.recipe == "scratch":
        return network.select_output(handle, handle.build(input_shape=shape, classes=classes))
    import tensorflow as tf

    layers = tf.keras.layers
    backbone = handle.build(input_shape=shape, include_top=False)
    features = backbone.outputs[0]
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D(name="head_pool")(features)
    scores = layers.Dense(classes, activation="softmax", name="head_scores")(features)
    return tf.keras.Model(backbone.inputs[0], scores, name=backbone.name), ""


def fresh_copy(handle: ModelHandle, training: AccuracySetting | None, folder: Path) -> Any:
    """Rebuild the trained model in this process's Keras, and check that its outputs are the same.

    Raises:
        Unavailable: it cannot be built, or its outputs differ.
    """
    try:
        model, _ = build(handle, training)
    except (UserError, ValueError, TypeError, AttributeError, ImportError) as error:
        if os.environ.get("TF_USE_LEGACY_KERAS") != "1":
            raise
        reason = brief(error)
        raise Unavailable(
            f"it cannot be built in Keras 2, which the toolkit needs: {reason}"
        ) from error
    keras_transfer.load_weights(model, folder / keras_transfer.WEIGHTS)
    keras_transfer.check_outputs(model, folder)
    return model
