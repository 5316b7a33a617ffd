"""Recipe ``transfer``: a pretrained backbone with a new head for the data set.

The head is that of the model's name (``MobileNetV2+box``), or the task's layer on the pooled maps.

Phase one trains the head alone. The backbone is frozen and in inference mode, so its features of
an image never change: without augmentation they are computed once and the head trained on them,
the same arithmetic as training through the frozen backbone. Phase two trains the backbone's last
layers too, at a lower rate, its batch normalisation still in inference mode (behind a head of the
name, where it also keeps its scale and offset).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data import pipeline
from cnnbench.errors import JobFailed, nearest
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.accuracy.training_config import IMAGENET
from cnnbench.tasks.task import Objective

_BATCH = 64


@dataclass(frozen=True)
class Transfer:
    """The networks of one transfer; all share their weights.

    Attributes:
        whole: ``images -> outputs``.
        layers: those of the backbone, in order.
        features: ``images -> (n, d)``: the backbone, pooled over space, in inference mode; None if
            the head reads more than one pooled vector.
        head: ``(n, d) -> outputs``; None without ``features``.
        backbone: the pretrained network, ``images -> feature maps``, if it is one layer of
            ``whole``; None if its layers are those of ``whole``.
        output: paths of the outputs that are trained, as `network.select_output`.
    """

    whole: Any
    layers: Sequence[Any]
    features: Any | None
    head: Any | None
    backbone: Any | None = None
    output: str = ""

    def freeze(self) -> None:
        """Let only the head be trained."""
        self.train_from(len(self.layers))

    def train_from(self, start: int) -> None:
        """Let the head and the backbone's layers from an index on be trained."""
        if self.backbone is not None:
            self.backbone.trainable = start < len(self.layers)
        for place, layer in enumerate(self.layers):
            layer.trainable = place >= start
            if self.backbone is None:
                _freeze_statistics(layer)


def build(
    model: ModelHandle,
    setting: AccuracySetting,
    objective: Objective,
    weights: str | Path | None,
    seed: int,
) -> Transfer:
    """Return a frozen pretrained backbone with a new head.

    Raises:
        Unavailable: the weights are missing and cannot be downloaded.
    """
    make = _with_head_of_name if model.backbone else _with_head_of_task
    found = make(model, setting, objective, weights, seed)
    found.freeze()
    return found


def _with_head_of_task(
    model: ModelHandle,
    setting: AccuracySetting,
    objective: Objective,
    weights: str | Path | None,
    seed: int,
) -> Transfer:
    import tensorflow as tf

    layers = tf.keras.layers
    frozen = backbone(model, setting, weights)
    images = tf.keras.Input(frozen.input_shape[1:])
    maps = _in_inference_mode(frozen)(images)
    pooled = layers.GlobalAveragePooling2D()(maps) if len(maps.shape) == 4 else maps
    features = tf.keras.Model(images, pooled)
    head = tf.keras.Sequential(
        [
            layers.Input(pooled.shape[1:]),
            layers.Dropout(setting.dropout, seed=seed),
            objective.head(seed),
        ]
    )
    whole = tf.keras.Model(images, head(pooled))
    return Transfer(whole, frozen.layers, features, head, frozen)


def _with_head_of_name(
    model: ModelHandle,
    setting: AccuracySetting,
    objective: Objective,
    weights: str | Path | None,
    seed: int,
) -> Transfer:
    import tensorflow as tf

    shape, classes = network.images(model, setting), objective.outputs_for(model.classes)
    tf.keras.utils.set_random_seed(seed)  # of the head's weights
    built = model.build(input_shape=shape, classes=classes, weights=weights)
    whole, output = network.select_output(model, built, setting.goal)
    objective.check_network(whole)
    of_head = model.head_layers(whole)
    layers = [layer for layer in whole.layers if layer not in of_head]
    return Transfer(whole, layers, *_split(whole, of_head), output=output)


def _split(whole: Any, of_head: Sequence[Any]) -> tuple[Any | None, Any | None]:
    """Return the networks before and after the only pooling of a head; None if it reads more."""
    import tensorflow as tf

    pools = [one for one in of_head if isinstance(one, tf.keras.layers.GlobalAveragePooling2D)]
    if len(pools) != 1:
        return None, None
    pooled = pools[0].output
    try:
        head = tf.keras.Model(pooled, whole.output)
    except (ValueError, KeyError):  # Keras: its outputs do not follow from this tensor alone
        return None, None
    return tf.keras.Model(whole.input, pooled), head


def _freeze_statistics(layer: Any) -> None:
    """Put batch normalisation in a layer, or inside it, into inference mode."""
    for one in [layer, *network.all_layers(layer)]:
        if network.is_batchnorm(one):
            one.trainable = False


def backbone(model: ModelHandle, setting: AccuracySetting, weights: str | Path | None) -> Any:
    """Return the network without its top, for the images of the setting.

    Raises:
        Unavailable: the weights are missing and cannot be downloaded.
        JobFailed: it has several outputs.
    """
    shape = network.images(model, setting)
    found = model.build(input_shape=shape, include_top=False, weights=weights)
    if len(found.outputs) > 1:
        raise JobFailed(
            f"its backbone has {len(found.outputs)} outputs; a new head needs exactly one"
        )
    return found


def pooled_features(
    transfer: Transfer, images: np.ndarray, preprocess: Callable[[Any], Any]
) -> np.ndarray:
    """Return the backbone's features of images: float32 ``(n, d)``."""
    assert transfer.features is not None
    none = np.zeros(len(images), np.float32)
    batches = pipeline.evaluation_batches(images, none, preprocess, _BATCH)
    return np.asarray(transfer.features.predict(batches, verbose=0))


def unfreeze(transfer: Transfer, first: int | float | str) -> int:
    """Make the backbone's layers from ``first`` on trainable; return their number.

    Raises:
        JobFailed: there is no such layer.
    """
    start = first_unfrozen(transfer, first)
    transfer.train_from(start)
    return len(transfer.layers) - start


def locate_weights(
    setting: AccuracySetting, search_path: Sequence[Path], data_dir: Path | None
) -> str | Path:
    """Return ``imagenet``, or the path of the file that ``setting.weights`` names.

    Raises:
        Unavailable, JobFailed: see `network.weights_file`.
    """
    if setting.weights == IMAGENET:
        return IMAGENET
    return network.weights_file(setting.weights, setting.weights_sha256, search_path, data_dir)


def _in_inference_mode(backbone: Any) -> Any:
    """Return ``backbone`` as a layer that always runs in inference mode.

    Calling ``backbone(images, training=False)`` is not enough: in Keras 3 the ``training=True`` of
    ``fit`` overrides the argument of a nested model, and phase two would update the statistics of
    batch normalisation.
    """
    import tensorflow as tf

    class InferenceMode(tf.keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="backbone")
            self.model = backbone

        def call(self, images: Any) -> Any:
            return self.model(images, training=False)

    return InferenceMode()


def first_unfrozen(transfer: Transfer, first: int | float | str) -> int:
    """Return the index of the layer ``first``, given as index, name, or fraction of all layers.

    Raises:
        JobFailed: there is no such layer.
    """
    layers = transfer.layers
    names = [layer.name for layer in layers]
    if isinstance(first, str):
        if first not in names:
            hint = nearest(first, names) or f"its layers: {names[0]} .. {names[-1]}"
            raise JobFailed(f"unfreeze_from: the backbone has no layer '{first}' ({hint})")
        return names.index(first)
    if isinstance(first, float):
        return int(first * len(layers))
    if first >= len(layers):
        raise JobFailed(f"unfreeze_from is {first}, but the backbone has {len(layers)} layers")
    return first
