"""The network that a recipe trains: built for the data set, its layers set for short schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.models.model_name import show
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.tasks import outputs

_SCALING = ("Rescaling", "Normalization")


def channels(subject: ModelHandle) -> int:
    """How many channels the network takes: 3 where it was made for colour, 1 where for grey.

    Raises:
        JobFailed: pictures have another number.
    """
    count = subject.input_shape[-1]
    if count not in (1, 3):
        raise JobFailed(f"it takes images of {count} channels; pictures have 1 or 3")
    return count


def images(subject: ModelHandle, setting: AccuracySetting) -> tuple[int, ...]:
    """``(height, width, channels)`` of the images that it is trained on, or judged with.

    Raises:
        JobFailed: pictures have another number of channels than its input, or it is fixed at
            another size.
    """
    channels(subject)
    shape = setting.images_for(subject.input_shape)
    if "input_shape" in subject.fixed and shape != tuple(subject.input_shape):
        raise JobFailed(
            f"its input is fixed at {show(subject.input_shape)}, not {show(shape)}: "
            "set `image_size: own`"
        )
    return shape


def scratch(
    subject: ModelHandle, shape: tuple[int, ...], classes: int, batchnorm_momentum: float
) -> tuple[Any, str]:
    """The network with fresh weights, and its output as `judged` says.

    It takes images of ``shape``, ``(height, width, channels)``.

    Raises:
        JobFailed: its single output tells nothing, or it has another number of classes.
        UserError: it has no output of the name that ``subject`` gives.
    """
    # Not `build`, which gives a .keras file the trained weights that it comes with.
    whole = subject.architecture(input_shape=shape, classes=outputs.width(subject.classes, classes))
    model, path = judged(subject, whole)
    width = model.outputs[0].shape[-1]
    outputs.check(kind_of_outputs(model), width)
    if outputs.apart(width) != classes:
        raise JobFailed(f"it has {outputs.apart(width)} classes, but the data set has {classes}")
    set_batchnorm_momentum(model, batchnorm_momentum)
    return model, path


def judged(subject: ModelHandle, model: Any) -> tuple[Any, str]:
    """Return ``model`` with the one output that says the class, and that output's path.

    That is the output that ``subject`` names, else the first. The network shares its layers with
    ``model``; where ``model`` returns one tensor it is ``model``. The path is empty where there
    is one output alone.

    Raises:
        UserError: there is no output of that name.
    """
    import tensorflow as tf

    structure = output_names.of(model)
    path = output_names.chosen(structure, subject.output, subject.label)
    if not path:
        return model, ""
    found = output_names.named(structure)
    one = tf.keras.Model(model.input, found[path], name=model.name)
    return one, path if len(found) > 1 else ""


def taken(path: str) -> dict[str, str]:
    """Return what a record says of the output that was judged, where the network has several."""
    return {"output": path} if path else {}


def set_batchnorm_momentum(model: Any, momentum: float) -> int:
    """Set the momentum of every BatchNormalization, nested ones too; return how many."""
    found = [layer for layer in all_layers(model) if is_batchnorm(layer)]
    for layer in found:
        layer.momentum = momentum
    return len(found)


def all_layers(model: Any) -> Iterator[Any]:
    """Every layer inside ``model``, at any depth, each before what it contains."""
    # Both generations of Keras have it, and nothing public looks into subclassed layers.
    yield from model._flatten_layers(include_self=False, recursive=True)


def sublayers(layer: Any) -> list[Any]:
    """The layers directly inside ``layer``, in the order in which its Keras lists them."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def is_batchnorm(layer: Any) -> bool:
    """Whether a layer is (a subclass of) Keras' BatchNormalization."""
    import tensorflow as tf

    return isinstance(layer, tf.keras.layers.BatchNormalization)


def kind_of_outputs(model: Any) -> outputs.Kind:
    """Return the kind of a classifier's outputs; if no layer determines it, from a random batch."""
    shape = tuple(model.input_shape[1:])
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    return outputs.kind(model, np.asarray(model(images, training=False), np.float64))


def preprocessing(subject: ModelHandle, setting: AccuracySetting) -> Callable[[Any], Any]:
    """The network's own, unless the setting says that nothing is done to images in 0..255."""
    return subject.preprocess if setting.preprocessing == "model" else unchanged


def unchanged(images: Any) -> Any:
    """No preprocessing."""
    return images


def notes(model: Any, preprocess: Callable[[Any], Any]) -> list[str]:
    """Return remarks for the report on the preprocessing of the images."""
    if not scales_again(model, preprocess):
        return []
    return [
        "its inputs are scaled twice, by the preprocessing and by its own first layers; "
        "`preprocessing: none` omits the former"
    ]


def scales_again(model: Any, preprocess: Callable[[Any], Any]) -> bool:
    """Whether ``preprocess`` changes the images of a network that scales them by itself.

    It does where a Rescaling or Normalization comes before its first layer with a kernel.
    """
    pixels = np.linspace(0, 255, 2 * int(np.prod(model.input_shape[1:])), dtype=np.float32)
    images = pixels.reshape(2, *model.input_shape[1:])
    if np.array_equal(np.asarray(preprocess(images.copy())), images):
        return False
    for layer in all_layers(model):
        if type(layer).__name__ in _SCALING:
            return True
        if any(name in ("kernel", "depthwise_kernel") for name in _names_of_weights(layer)):
            return False
    return False


def _names_of_weights(layer: Any) -> Iterator[str]:
    for weight in getattr(layer, "weights", ()) if not getattr(layer, "layers", None) else ():
        yield weight.name.rpartition("/")[2].partition(":")[0]
