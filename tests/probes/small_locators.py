"""Localisers small enough to train in a test, as a file of builders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench.models import registry
from cnnbench.models.model import Model
from cnnbench.probes.accuracy.settings import AccuracySetting

SCENES = "scenes[objects=1,px=32,sides=10-22]"

BUILDERS = """
import tensorflow as tf

L = tf.keras.layers


def trunk(input_shape=(32, 32, 1), classes=10, include_top=True):
    inputs = x = tf.keras.Input(input_shape)
    for number, filters in enumerate((16, 32, 64)):
        x = L.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = L.BatchNormalization(name=f"bn{number}")(x)
        x = L.ReLU(name=f"relu{number}")(x)
        x = L.MaxPooling2D(name=f"pool{number}")(x)
    if include_top:
        x = L.Dense(classes, activation="softmax")(L.GlobalAveragePooling2D()(x))
    return tf.keras.Model(inputs, x)


def functional(input_shape=(32, 32, 1), classes=10):
    whole = trunk(input_shape, classes, include_top=False)
    x = L.GlobalAveragePooling2D()(whole.output)
    outputs = [L.Dense(classes, activation="softmax")(x), L.Dense(4)(x), L.Dense(7)(x)]
    return tf.keras.Model(whole.input, {"what": {"label": outputs[0]}, "bbox": outputs[1],
                                        "others": outputs[2]})


class Subclassed(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = trunk((32, 32, 1), include_top=False)
        self.pool, self.box, self.kind = L.GlobalAveragePooling2D(), L.Dense(4), L.Dense(10)

    def call(self, images):
        x = self.pool(self.inner(images))
        return self.kind(x), self.box(x)
"""


def resolve(name: str, folder: Path) -> Model:
    """Return a model of `BUILDERS`, whose file is written to ``folder`` and named after it."""
    file = folder / f"nets_{folder.name}.py"  # one of a name is imported in a process
    file.write_text(BUILDERS)
    return registry.resolve(f"{file.name}:{name}", (folder,))


def setting(**wording: Any) -> AccuracySetting:
    """Return a short training for localization."""
    return AccuracySetting.model_validate(
        {
            **{"dataset": SCENES, "task": "localization", "image_size": 32, "epochs": 3},
            **{"train_examples": 512, "test_examples": 200, "batch_size": 32},
            **{"learning_rate": 0.01, **wording},
        }
    )


def backbone_weights(model: Model, folder: Path) -> Path:
    """Write the weights of a backbone whose normalisation has statistics of its own."""
    import numpy as np
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    backbone = model.build(include_top=False)
    for number in range(3):
        norm = backbone.get_layer(f"bn{number}")
        norm.moving_mean.assign(np.linspace(-0.1, 0.1, norm.moving_mean.shape[0]))
    file = folder / "small.weights.h5"
    backbone.save_weights(str(file))
    return file
