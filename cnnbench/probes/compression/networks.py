"""Copies of the float32 model in the Keras of this process, with the same weights and outputs.

The model-optimization toolkit supports only Keras 2; training uses Keras 3. They list weights in
different orders: Keras 2 puts the statistics of a custom layer after all of its trained weights,
and layers held in a list at the position of the list. Weights are therefore stored in an order that
is independent of both. Matching shapes do not prove a correct order, so the outputs of the copy are
compared with those of the original.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.analysis.keras_settings import use_standard_keras
from cnnbench.errors import JobFailed, Unavailable, UserError, brief
from cnnbench.files import replace_arrays
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression import paths
from cnnbench.probes.latency import calibrated_model, inside
from cnnbench.probes.latency.inside import Difference
from cnnbench.probes.latency.runtimes.base import TOLERANCES
from cnnbench.tasks.task import TASKS, Objective

WEIGHTS, OUTPUTS = "weights.npz", "answers.npz"

_SEED = 0
# Outputs are compared for the given weights and for weights perturbed by up to this fraction:
# constant outputs, or statistics at their initial values, would hide an error.
_PERTURBATION = 0.2
# Tolerance for rounding in all layers: this many times the effect of a relative change of the input
# by 1e-6 (rounding is 6e-8 in float32). Random weights amplify both equally.
_NUDGE, _LAYERS = 1e-6, 10
_FUNCTIONAL = frozenset({"Functional", "Sequential"})


def use_keras_2() -> None:
    """Select Keras 2 as ``tf.keras`` of this process; call it before anything uses ``tf.keras``.

    Raises:
        RuntimeError: Keras 3 is already in use.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise RuntimeError("Keras 3 already in use: the toolkit needs a process of its own")
    use_standard_keras()
    # Keras 2 has clip(0.2 x + 0.5, 0, 1); the models are made for Keras 3's definition.
    tf.keras.utils.get_custom_objects()["hard_sigmoid"] = hard_sigmoid


def hard_sigmoid(x: Any) -> Any:
    """Return relu6(x + 3) / 6, the definition of Keras 3."""
    import tensorflow as tf

    return tf.nn.relu6(x + 3.0) / 6.0


def build(
    handle: ModelHandle,
    training: AccuracySetting | None,
    objective: Objective,
    shape: tuple[int, ...],
    classes: int,
) -> tuple[Any, str]:
    """Build the trained model without nested models, with fresh weights.

    Args:
        handle: the model.
        training: its training; a ``transfer`` puts a new head on a model that has none in its name.
            None for an untrained model.
        objective: makes that head.
        shape: ``(height, width, channels)`` of the training images.
        classes: number of outputs of the trained model.

    Returns:
        A ``keras.Model`` with the outputs of its task, and their path as `network.select_output`.
    """
    if training is None:
        return network.select_output(handle, handle.build())
    if training.recipe != "transfer" or handle.backbone:
        whole = handle.build(input_shape=shape, classes=classes)
        return network.select_output(handle, whole, training.goal)
    import tensorflow as tf

    backbone = handle.build(input_shape=shape, include_top=False)
    features = backbone.outputs[0]
    if len(features.shape) == 4:
        features = tf.keras.layers.GlobalAveragePooling2D(name="head_pool")(features)
    outputs = objective.head(seed=0)(features)
    return tf.keras.Model(backbone.inputs[0], outputs, name=backbone.name), ""


def fresh_copy(
    handle: ModelHandle,
    training: AccuracySetting | None,
    objective: Objective,
    card: Mapping[str, Any],
    folder: Path,
) -> Any:
    """Rebuild the trained model in this process's Keras, and check that its outputs are the same.

    Args:
        handle, training, objective: as `build` takes them.
        card: of the float32 model.
        folder: of the float32 model.

    Raises:
        Unavailable: it cannot be built, or its outputs differ.
    """
    interface = tuple(card["input_shape"]), card["classes"]
    try:
        model, _ = build(handle, training, objective, *interface)
    except (UserError, ValueError, TypeError, AttributeError, ImportError) as error:
        if os.environ.get("TF_USE_LEGACY_KERAS") != "1":
            raise
        reason = brief(error)
        raise Unavailable(
            f"it cannot be built in Keras 2, which the toolkit needs: {reason}"
        ) from error
    load_weights(model, folder / WEIGHTS)
    check_outputs(model, folder, inside.comparison(TASKS.find(handle.task), False))
    return model


def save_weights(model: Any, folder: Path) -> None:
    """Write all weights of ``model`` to ``folder`` in one step, in the order of `ordered`."""
    arrays = {f"w{place}": np.asarray(weight) for place, weight in enumerate(ordered(model))}
    replace_arrays(folder / WEIGHTS, arrays)


def load_weights(model: Any, file: Path) -> None:
    """Load the weights that `save_weights` wrote, in Keras 2 or Keras 3.

    Raises:
        Unavailable: the number or the shapes of the weights differ.
    """
    with np.load(file) as stored:
        arrays = [stored[f"w{place}"] for place in range(len(stored.files))]
    weights = ordered(model)
    own = [tuple(weight.shape) for weight in weights]
    given = [array.shape for array in arrays]
    if own != given:
        place = next(
            (i for i, pair in enumerate(zip(own, given, strict=False)) if len(set(pair)) > 1), 0
        )
        raise Unavailable(
            f"its weights differ between Keras 3 and Keras 2: {len(given)} and {len(own)} arrays, "
            f"the first difference at index {place}"
        )
    _assign(model, weights, arrays)


def save_outputs(
    model: Any, images: np.ndarray, folder: Path, compare: Difference = calibrated_model.difference
) -> None:
    """Write the outputs of ``model`` for ``images``, with its weights and with perturbed weights.

    Args:
        model: its weights are in ``folder`` and do not change.
        images: ``(n, ...)`` float32, not all alike.
        folder: where `check_outputs` finds them.
        compare: returns the difference of two lists of outputs, and its scale.

    Raises:
        JobFailed: the outputs with the own weights are not finite.
    """
    nudge = np.random.default_rng(_SEED).uniform(-_NUDGE, _NUDGE, images.shape)
    nudged = (images * (1 + nudge)).astype(images.dtype)
    found: dict[str, np.ndarray] = {"images": images}
    for name in _own_and_perturbed(model):
        outputs = calibrated_model.keras_outputs(model, images)
        if name == "own" and not all(np.isfinite(output).all() for output in outputs):
            raise JobFailed("its outputs are not finite")
        rounding, _ = compare(calibrated_model.keras_outputs(model, nudged), outputs)
        found |= {f"{name}_{place}": output for place, output in enumerate(outputs)}
        found[f"{name}-rounding"] = np.array(_LAYERS * rounding)
    replace_arrays(folder / OUTPUTS, found)


def check_outputs(
    model: Any, folder: Path, compare: Difference = calibrated_model.difference
) -> None:
    """Compare the outputs of ``model`` with those stored by `save_outputs`.

    Raises:
        Unavailable: they differ by more than rounding explains.
    """
    file = paths.required(folder, OUTPUTS, "the outputs of the float32 model are missing")
    with np.load(file) as archive:
        stored = {name: archive[name] for name in archive.files}
    for name in _own_and_perturbed(model):
        expected = [stored[key] for key in stored if key.startswith(f"{name}_")]
        outputs = calibrated_model.keras_outputs(model, stored["images"])
        difference, scale = compare(outputs, expected)
        allowed = max(TOLERANCES["float32"] * scale, float(stored[f"{name}-rounding"]))
        if not difference <= allowed:  # also true for NaN
            raise Unavailable(
                "its rebuilt copy with the same weights has different outputs, by up to "
                f"{difference:.2g} where the largest output is {scale:.2g} (a layer or an "
                "activation differs in Keras 2, which the toolkit needs, or the builder is not "
                "deterministic)"
            )


def ordered(model: Any) -> list[Any]:
    """Return every weight once, in an order that is the same in Keras 2 and Keras 3.

    Layer by layer, each before its sublayers, which are in the order of the attributes that hold
    them, or in a functional model in the order of its layers.
    """
    return list({id(weight): weight for weight in _weights(model)}.values())


def _weights(layer: Any) -> Iterator[Any]:
    inside = _sublayers(layer)
    theirs = {id(weight) for one in inside for weight in one.weights}
    yield from (weight for weight in layer.weights if id(weight) not in theirs)
    for one in inside:
        yield from _weights(one)


def _sublayers(layer: Any) -> list[Any]:
    """Return the direct sublayers of ``layer``; those that no attribute holds come first."""
    tracked = {id(one): one for one in network.sublayers(layer)}
    if any(kind.__name__ in _FUNCTIONAL for kind in type(layer).__mro__):
        return list(tracked.values())
    # Skip Keras' own lists of sublayers, whose order differs between the two.
    attributes = (
        v for name, v in vars(layer).items() if not name.startswith(("_self_", "_layers"))
    )
    held = {id(one): one for value in attributes for one in _held(value) if id(one) in tracked}
    return [one for key, one in tracked.items() if key not in held] + list(held.values())


def _held(value: Any) -> Iterator[Any]:
    import tensorflow as tf

    if isinstance(value, tf.keras.layers.Layer):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _held(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _held(one)


def _own_and_perturbed(model: Any) -> Iterator[str]:
    """Yield ``own``, then ``changed`` while the weights are perturbed; restore them at the end."""
    weights = ordered(model)
    kept = [np.array(weight) for weight in weights]
    yield "own"
    _assign(model, weights, _perturbed(kept))
    yield "changed"
    _assign(model, weights, kept)


def _perturbed(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Return floats scaled by up to ±20 %; an array of zeros becomes small random numbers."""
    rng = np.random.default_rng(_SEED)
    perturbed = []
    for array in arrays:
        if array.dtype.kind == "f":
            share = rng.uniform(-_PERTURBATION, _PERTURBATION, array.shape).astype(array.dtype)
            array = array * (1 + share) if np.any(array) else share
        perturbed.append(array)
    return perturbed


def _assign(model: Any, weights: list[Any], arrays: list[np.ndarray]) -> None:
    for weight, array in zip(weights, arrays, strict=True):
        weight.assign(array)
    for layer in network.all_layers(model):
        # In Keras 3 it computes with copies of its weights, which this call updates.
        if type(layer).__name__ == "Normalization" and layer.weights:
            layer.finalize_state()
