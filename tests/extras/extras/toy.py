"""A model source: ``toy://NAME[width=W]`` is a small network of that name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnbench.models import preprocessing
from cnnbench.models.catalog import Entry
from cnnbench.models.model import Model, Request
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import Signature


class ToyFactory:
    """Builds the network; a source of trained networks would download and load it here."""

    is_trained = False

    def takes(self, argument: str) -> bool:
        return argument in ("input_shape", "classes")

    def architecture(self, request: Request) -> Any:
        import tensorflow as tf

        inputs = tf.keras.Input(request.input_shape)
        convolution = tf.keras.layers.Conv2D(request.parameters.get("width", 2), 3)
        pooled = tf.keras.layers.GlobalAveragePooling2D()(convolution(inputs))
        activation = "softmax" if request.classes > 1 else None
        return tf.keras.Model(inputs, tf.keras.layers.Dense(request.classes, activation)(pooled))

    def pretrained(self, request: Request) -> Any:
        raise NotImplementedError("toys have no ImageNet weights")

    def restore(self, model: Any) -> None:
        """There are no weights to load."""

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        return preprocessing.unit(images)

    def fingerprint(self) -> Mapping[str, str]:
        return {"toy_version": "1"}


class Toys:
    def matches(self, name: str, search_path: Sequence[Path]) -> bool:
        return name.startswith("toy://")

    def resolve(self, written: ModelName, search_path: Sequence[Path]) -> Model:
        task, classes = ("brightness", 1) if "lamp" in written.name else ("classification", 10)
        entry = Entry.of_user(written.name, "extras.toy", (8, 8, 1), classes, task)
        return Model.from_name(written, entry, Signature({"width": 2}), ToyFactory())


TOYS = Toys()
