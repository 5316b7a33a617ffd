"""Subjects small enough to train in a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class SmallNet:
    """Two convolutions with BatchNormalization and dropout, for grey images of any size."""

    label = "SmallNet"
    classes = 10
    min_size = None
    stated: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    output = None
    is_trained = False
    converted_file = None
    is_task_assumed = False
    class_names: tuple[str, ...] = ()
    backbone = None
    task = "classification"

    def __init__(self, channels: int = 1, activation: str | None = "softmax") -> None:
        self.input_shape = (8, 8, channels)
        self._activation = activation

    def build(
        self,
        *,
        input_shape: tuple[int, ...] | None = None,
        classes: int | None = None,
        include_top: bool = True,
        weights: str | Path | None = None,
    ) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        stack = [
            layers.Input(input_shape or self.input_shape),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv1"),
            layers.BatchNormalization(name="bn1"),
            layers.ReLU(name="relu1"),
            layers.Dropout(0.1, name="drop1"),
            layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv2"),
            layers.BatchNormalization(name="bn2"),
            layers.ReLU(name="relu2"),
        ]
        if include_top:
            stack += [
                layers.GlobalAveragePooling2D(),
                layers.Dropout(0.1),
                layers.Dense(classes or self.classes, activation=self._activation),
            ]
        model = tf.keras.Sequential(stack)
        if weights is not None:
            model.load_weights(str(weights))
        return model

    def architecture(
        self, *, input_shape: tuple[int, ...] | None = None, classes: int | None = None
    ) -> Any:
        return self.build(input_shape=input_shape, classes=classes)

    def head_layers(self, network: Any) -> list[Any]:
        return []

    def preprocess(self, images: Any) -> Any:
        return images / 127.5 - 1.0

    def published(self) -> Mapping[str, float]:
        return {}
