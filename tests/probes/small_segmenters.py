"""Segmentation networks small enough to train in a test, as a file of builders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench.models import registry
from cnnbench.models.model import Model
from cnnbench.probes.accuracy.settings import AccuracySetting

SCENES = "scenes[objects=1-3,px=32,sides=10-22]"

BUILDERS = """
import tensorflow as tf

L = tf.keras.layers


def tiny(input_shape=(32, 32, 1), classes=11, activation=None):
    inputs = tf.keras.Input(input_shape)
    fine = L.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = L.MaxPooling2D()(L.BatchNormalization()(fine))
    x = L.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = L.Concatenate()([fine, L.UpSampling2D()(L.BatchNormalization()(x))])
    return tf.keras.Model(inputs, L.Conv2D(classes, 3, padding="same", activation=activation)(x))


def coarse(input_shape=(32, 32, 1), classes=11):
    inputs = tf.keras.Input(input_shape)
    return tf.keras.Model(inputs, L.Conv2D(classes, 3, strides=2, padding="same")(inputs))


def deep_supervision(input_shape=(32, 32, 1), classes=11):
    whole = tiny(input_shape, classes)
    return tf.keras.Model(whole.input, {"aux": L.Conv2D(classes, 1)(whole.output),
                                        "out": whole.output})


def flat(input_shape=(32, 32, 1), classes=11):
    inputs = tf.keras.Input(input_shape)
    return tf.keras.Model(inputs, L.Dense(classes)(L.Flatten()(inputs)))
"""


def resolve(name: str, folder: Path) -> Model:
    """Return a model of `BUILDERS`, whose file is written to ``folder`` and named after it."""
    file = folder / f"pixels_{folder.name}.py"  # one of a name is imported in a process
    file.write_text(BUILDERS)
    return registry.resolve(f"{file.name}:{name}", (folder,))


def setting(**wording: Any) -> AccuracySetting:
    """Return a short training for segmentation."""
    return AccuracySetting.model_validate(
        {
            **{"dataset": SCENES, "task": "segmentation", "image_size": 32, "epochs": 3},
            **{"train_examples": 256, "test_examples": 100, "batch_size": 16},
            **{"learning_rate": 0.01, **wording},
        }
    )
