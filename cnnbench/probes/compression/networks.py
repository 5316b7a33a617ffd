"""The network that is compressed, built in whichever Keras this process has, and its weights.

The toolkit knows only Keras 2 (Keras 3 trains), so weights go from one to the other as a list of
arrays in the order of ``get_weights()``, which is the same in both.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.core.errors import Unavailable, UserError
from cnnbench.core.settings.accuracy import AccuracySetting
from cnnbench.core.subject import Subject
from cnnbench.probes.training import network

WEIGHTS = "weights.npz"


def use_keras_2() -> None:
    """Make ``tf.keras`` Keras 2 in this process, before anything has touched it.

    Raises:
        RuntimeError: too late, it is Keras 3 already.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise RuntimeError("tf.keras is Keras 3 already: the toolkit needs a process of its own")


def build(subject: Subject, training: AccuracySetting | None) -> tuple[Any, str]:
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


def save_weights(model: Any, folder: Path) -> None:
    """Write all weights of ``model`` into ``folder``, in the order of ``get_weights()``.

    They are there whole or not at all.
    """
    arrays = {f"w{index}": array for index, array in enumerate(model.get_weights())}
    part = folder / f".{WEIGHTS}.part"
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(folder / WEIGHTS)


def load_weights(model: Any, file: Path) -> None:
    """Give ``model`` the weights that `save_weights` wrote, of either generation of Keras.

    Raises:
        Unavailable: the network of this generation has other weights.
    """
    with np.load(file) as stored:
        arrays = [stored[f"w{index}"] for index in range(len(stored.files))]
    own = [tuple(weight.shape) for weight in model.weights]
    given = [array.shape for array in arrays]
    if own != given:
        place = next(
            (i for i, pair in enumerate(zip(own, given, strict=False)) if len(set(pair)) > 1), 0
        )
        raise Unavailable(
            f"its weights do not carry over between Keras 3 and Keras 2: {len(given)} and "
            f"{len(own)} arrays, the first difference at {place}"
        )
    model.set_weights(arrays)
    for layer in network.all_layers(model):
        # Of Keras 3: it computes with copies of its weights, made when it is told to.
        if type(layer).__name__ == "Normalization" and layer.weights:
            layer.finalize_state()


def fresh_copy(subject: Subject, training: AccuracySetting | None, folder: Path) -> Any:
    """The trained network, built anew in this process's Keras.

    Raises:
        Unavailable: it cannot be built in it.
    """
    try:
        model, _ = build(subject, training)
    except (UserError, ValueError, TypeError, AttributeError, ImportError) as error:
        if os.environ.get("TF_USE_LEGACY_KERAS") != "1":
            raise
        reason = " ".join(str(error).split())[:300]
        raise Unavailable(
            f"it cannot be built in Keras 2, which the toolkit needs: {reason}"
        ) from error
    load_weights(model, folder / WEIGHTS)
    return model
