"""Networks to train or evaluate: weights, images, outputs, layers and preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench import files
from cnnbench.data.pipeline import unchanged
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.named import show
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.tasks.objective import concatenated
from cnnbench.tasks.task import TASKS, Arrays, Objective, Task

_SCALING = ("Rescaling", "Normalization")


def weights_file(
    name: str, planned_sha256: str, search_path: Sequence[Path], data_dir: Path | None
) -> Path:
    """Return the path of the weights file ``name``.

    Args:
        name: its path.
        planned_sha256: its hash when the run was planned; empty if unknown.
        search_path: the folders of the suite.
        data_dir: the data folder, whose ``weights/`` is searched too.

    Raises:
        Unavailable: no such file.
        JobFailed: it has changed since planning.
    """
    file = files.find(name, files.weights_folders(search_path, data_dir))
    if file is None or not file.is_file():
        raise Unavailable(
            f"no weights file '{name}'; put it next to the suite or into the data folder's "
            "weights/ (set by --data-dir or CNNBENCH_DATA)"
        )
    if planned_sha256 and files.sha256(file) != planned_sha256:
        raise JobFailed(f"the weights in '{name}' are not those of the plan; run again")
    return file


def channels(model: ModelHandle) -> int:
    """Return the number of channels of the network's images: 3 for colour, 1 for grey.

    Raises:
        JobFailed: its input has another number of channels.
    """
    count = model.input_shape[-1]
    if count not in (1, 3):
        raise JobFailed(f"its input has {count} channels; images have 1 or 3")
    return count


def images(model: ModelHandle, setting: AccuracySetting) -> tuple[int, ...]:
    """Return ``(height, width, channels)`` of the images for training and evaluation.

    Raises:
        JobFailed: its input does not have 1 or 3 channels, or is fixed at another size.
    """
    channels(model)
    shape = setting.images_for(model.input_shape)
    if "input_shape" in model.fixed and shape != tuple(model.input_shape):
        raise JobFailed(
            f"its input is fixed at {show(model.input_shape)}, not {show(shape)}: "
            "set `image_size: own`"
        )
    return shape


def scratch(
    model: ModelHandle,
    shape: tuple[int, ...],
    objective: Objective,
    batchnorm_momentum: float,
    task: Task | None = None,
) -> tuple[Any, str]:
    """Return the network with fresh weights, and the path of its output as `select_output` does.

    Args:
        model: the network.
        shape: ``(height, width, channels)`` of its images.
        objective: determines the number of outputs.
        batchnorm_momentum: of all its BatchNormalization layers.
        task: as `select_output` takes it.

    Raises:
        JobFailed: its outputs do not suit the objective.
        UserError: it has no output ``model.output``.
    """
    # Not `build`, which would load the weights of a .keras file.
    outputs = None if "classes" in model.fixed else objective.outputs_for(model.classes)
    whole = model.architecture(input_shape=shape, classes=outputs)
    network, path = select_output(model, whole, task)
    objective.check_network(network)
    set_batchnorm_momentum(network, batchnorm_momentum)
    return network, path


def select_output(model: ModelHandle, network: Any, task: Task | None = None) -> tuple[Any, str]:
    """Return a network with only the outputs that a task reads, and their paths as text.

    The result shares its layers with ``network``, and is ``network`` itself if there is nothing to
    leave out. Several outputs are a dictionary by role. The text is empty if there is no choice.

    Args:
        model: what was built.
        network: its ``keras.Model``.
        task: what it is trained for or evaluated as; by default its own.

    Raises:
        UserError: there is no such output.
    """
    import tensorflow as tf

    structure = output_names.of(network)
    found = output_names.named(structure)
    shapes = {path: tuple(tensor.shape) for path, tensor in found.items()}
    paths = (task or TASKS.find(model.task)).paths(shapes, model.output, model.label)
    if not paths:
        return network, ""
    if isinstance(paths, str):
        one = tf.keras.Model(network.input, found[paths], name=network.name)
        return one, paths if len(found) > 1 else ""
    if isinstance(structure, Mapping) and paths == {role: role for role in structure}:
        return network, ""
    outputs = {role: found[path] for role, path in paths.items()}
    words = ", ".join(f"{role} from {path}" for role, path in paths.items())
    return tf.keras.Model(network.input, outputs, name=network.name), words


def predicted(network: Any, batches: Any, objective: Objective) -> Arrays:
    """Return a ``keras.Model``'s `Objective.answers` for batches of ``(images, targets)``."""
    encoding = objective.encoding(network)
    return concatenated(
        [
            objective.answers(as_arrays(network.predict_on_batch(images)), encoding)
            for images, _ in batches
        ]
    )


def as_arrays(outputs: Any, dtype: Any = None) -> Arrays:
    """Return what a ``keras.Model`` returned as NumPy arrays, by default of its own type."""
    if isinstance(outputs, Mapping):
        return {role: np.asarray(one, dtype) for role, one in outputs.items()}
    return np.asarray(outputs, dtype)


def are_finite(outputs: Arrays) -> bool:
    """Return whether all outputs are finite numbers."""
    arrays = outputs.values() if isinstance(outputs, Mapping) else [outputs]
    return all(bool(np.isfinite(array).all()) for array in arrays)


def output_details(paths: str) -> dict[str, str]:
    """Return the evaluated outputs as details of a record, if the network has others."""
    return {"output": paths} if paths else {}


def set_batchnorm_momentum(model: Any, momentum: float) -> int:
    """Set the momentum of every BatchNormalization, nested ones too; return how many."""
    found = [layer for layer in all_layers(model) if is_batchnorm(layer)]
    for layer in found:
        layer.momentum = momentum
    return len(found)


def all_layers(model: Any) -> Iterator[Any]:
    """Yield every layer inside ``model``, at any depth, each before what it contains."""
    # A private method of both generations of Keras: no public one enters subclassed layers.
    yield from model._flatten_layers(include_self=False, recursive=True)


def sublayers(layer: Any) -> list[Any]:
    """Return the layers directly inside ``layer``, in the order in which its Keras lists them."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def is_batchnorm(layer: Any) -> bool:
    """Return whether a layer is (a subclass of) Keras' BatchNormalization."""
    import tensorflow as tf

    return isinstance(layer, tf.keras.layers.BatchNormalization)


def preprocessing(model: ModelHandle, setting: AccuracySetting) -> Callable[[Any], Any]:
    """Return the network's preprocessing, or `unchanged` if the setting turns it off."""
    return model.preprocess if setting.preprocessing == "model" else unchanged


def notes(model: Any, preprocess: Callable[[Any], Any]) -> list[str]:
    """Return remarks for the report on the preprocessing of the images."""
    if not scales_twice(model, preprocess):
        return []
    return [
        "its inputs are scaled twice, by the preprocessing and by its own first layers; "
        "`preprocessing: none` omits the former"
    ]


def scales_twice(model: Any, preprocess: Callable[[Any], Any]) -> bool:
    """Return whether both ``preprocess`` and layers of the network scale the images.

    The layers do if a Rescaling or Normalization precedes the first layer with a kernel.
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
