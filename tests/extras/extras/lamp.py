"""A head: the brightness of the image, one linear output, from the pooled features."""

from typing import Any

from cnnbench.models.heads import PREFIX, maps_of


class Lamp:
    task = "brightness"
    summary = "the brightness of the image"
    takes_top = False

    def attach(self, backbone: Any, classes: int, *, units: int = 8) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        pooled = layers.GlobalAveragePooling2D(name=f"{PREFIX}pool")(maps_of(backbone))
        hidden = layers.Dense(units, "relu", name=f"{PREFIX}hidden")(pooled)
        return layers.Dense(1, name=f"{PREFIX}brightness")(hidden)


LAMP = Lamp()
