"""YOLO v1 (Redmon et al. 2015, "You Only Look Once", arXiv:1506.02640, sec. 2 and fig. 3)."""

from __future__ import annotations

from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.families.layers import layers, tf
from cnnbench.models.families.own_layers import StateCoding
from cnnbench.models.heads.coding import LAYER, GridCoding, to_json

preprocess_input = preprocessing.unit  # as the authors' code, darknet, scales its images

# Convolutions (filters, kernel size, stride) between the four max poolings, after fig. 3.
_BLOCKS = (
    ((64, 7, 2),),
    ((192, 3, 1),),
    ((128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1)),
    (*((256, 1, 1), (512, 3, 1)) * 4, (512, 1, 1), (1024, 3, 1)),
    (*((512, 1, 1), (1024, 3, 1)) * 2, (1024, 3, 1), (1024, 3, 2), (1024, 3, 1), (1024, 3, 1)),
)


def YOLOv1(  # noqa: N802
    include_top: bool = True,
    input_shape: tuple[int, int, int] = (448, 448, 3),
    classes: int = 20,
    boxes: int = 2,
    units: int = 4096,
) -> Any:
    """24 convolutions and 2 dense layers: a grid of 7x7 cells at 448 px, 20 classes (VOC).

    Leaky ReLU with slope 0.1 everywhere but at the end, dropout 0.5 between the dense layers, no
    normalisation. A cell of the grid covers 64 x 64 px.

    Args:
        boxes: boxes per cell.
        units: units of the first dense layer.
    """
    if min(boxes, units) < 1:
        raise ValueError("boxes and units must be at least 1")
    inputs = x = tf.keras.Input(input_shape)
    number = 0
    for block, convolutions in enumerate(_BLOCKS, start=1):
        for filters, size, strides in convolutions:
            number += 1
            x = layers.Conv2D(
                filters,
                size,
                strides=strides,
                padding="same",
                kernel_initializer="he_normal",
                name=f"conv{number}",
            )(x)
            x = layers.LeakyReLU(0.1, name=f"conv{number}_act")(x)
        if block < len(_BLOCKS):
            x = layers.MaxPooling2D(padding="same", name=f"pool{block}")(x)
    if include_top:
        coding = GridCoding(x.shape[1], x.shape[2], boxes, classes)
        cell = 5 * boxes + classes
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(units, kernel_initializer="he_normal", name="dense1")(x)
        x = layers.LeakyReLU(0.1, name="dense1_act")(x)
        x = layers.Dropout(0.5, name="dropout")(x)
        x = layers.Dense(coding.rows * coding.columns * cell, name="dense2")(x)
        x = layers.Reshape((coding.rows, coding.columns, cell), name="grid")(x)
        x = StateCoding(to_json(coding), name=LAYER)(x)
    return tf.keras.Model(inputs, x, name="yolov1")
