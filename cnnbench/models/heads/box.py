"""``+box``: one class and one box per image, from the pooled features."""

from __future__ import annotations

from typing import Any

from cnnbench.models.heads import PREFIX, maps_of


class Box:
    """Classification with localisation (Géron, 3rd ed., ch. 14, "Classification and Localization").

    Outputs: ``classes``, probabilities ``(n, classes)``, and ``boxes``, the box's centre and size
    as fractions of the image, ``(n, 4)``: x, y, width, height.
    """

    task = "localization"
    summary = "a class and a box from the pooled features"
    takes_top = False

    def attach(self, backbone: Any, classes: int, *, dropout: float = 0.0) -> dict[str, Any]:
        import tensorflow as tf

        layers = tf.keras.layers
        pooled = layers.GlobalAveragePooling2D(name=f"{PREFIX}pool")(maps_of(backbone))
        if dropout:
            pooled = layers.Dropout(dropout, name=f"{PREFIX}dropout")(pooled)
        # The initial box is about the middle half of every image. With the default initializer, the
        # many large features of a pretrained backbone would give boxes far outside the image.
        near_zero = tf.keras.initializers.RandomNormal(stddev=0.01)
        centred = tf.keras.initializers.Constant(0.5)
        initial = {"kernel_initializer": near_zero, "bias_initializer": centred}
        return {
            "boxes": layers.Dense(4, name=f"{PREFIX}boxes", **initial)(pooled),
            "classes": layers.Dense(classes, activation="softmax", name=f"{PREFIX}classes")(pooled),
        }


BOX = Box()
