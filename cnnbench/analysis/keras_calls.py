"""Call a model of either Keras while tracing: for inference, for training, or to build it."""

from __future__ import annotations

from inspect import signature
from typing import Any

from cnnbench.analysis.keras_api import (
    dtype_of,
    flatten,
    is_keras2,
    is_tensor,
    map_structure,
    operation_class,
)


def variables(model: Any) -> list[Any]:
    """Return the Keras 3 variables that a trace replaces by inputs; none for Keras 2."""
    return [] if is_keras2(model) else list(model.variables)


def trace_specs(model: Any, inputs: Any, batch: int) -> tuple[list[Any], Any]:
    """Return the specifications of `variables` and of a batch of inputs, as arguments of a trace.

    Args:
        model: a Keras 2 or Keras 3 model.
        inputs: a structure of ``Spec`` as the model takes it.
        batch: images in the batch.
    """
    import tensorflow as tf

    weights = [tf.TensorSpec(v.shape, dtype_of(v)) for v in variables(model)]
    images = map_structure(inputs, lambda spec: tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype))
    return weights, images


def infer(model: Any, values: list[tuple[Any, Any]], images: Any) -> tuple[Any, list[int]]:
    """Call ``model`` at inference inside a function that is being traced.

    Args:
        model: the model.
        values: variables of Keras 3 with their values.
        images: its inputs, in the structure in which it takes them.

    Returns:
        Its outputs, and the places of the variables that the call changed.
    """
    if is_keras2(model):
        return _keras2_call(model, images, training=False), []
    import keras

    with keras.StatelessScope(values, initialize_variables=False) as scope:
        before = [scope.get_current_value(variable) for variable, _ in values]
        outputs = model(images, training=False)
        after = [scope.get_current_value(variable) for variable, _ in values]
    pairs = enumerate(zip(before, after, strict=True))
    return outputs, [place for place, (old, new) in pairs if new is not old]


def trained_inputs(model: Any, graph: Any) -> list[Any]:
    """Return the inputs of a traced graph that are trainable weights.

    Those of Keras 3 come first, in the order of ``variables``; those of Keras 2 were captured.
    """
    if not is_keras2(model):
        pairs = zip(variables(model), graph.inputs, strict=False)
        return [given for variable, given in pairs if variable.trainable]
    handles = {id(variable.handle) for variable in model.trainable_weights}
    return [given for outside, given in graph.captures if id(outside) in handles]


def unbuilt(model: Any) -> list[str]:
    """Return the names of layers that may create weights when they are first called."""
    layers = getattr(model, "_flatten_layers", None)
    flat = list(layers(include_self=True, recursive=True)) if layers else []
    waiting = [layer for layer in flat if not getattr(layer, "built", True)]
    return [layer.name for layer in waiting if _makes_weights(layer)]


def _makes_weights(layer: Any) -> bool:
    """Return whether a layer has its own ``build`` and is not a mere container."""
    owner = next(cls for cls in type(layer).__mro__ if "build" in vars(cls))
    return owner.__name__ not in ("Layer", "Sequential")


def build(model: Any, inputs: Any) -> None:
    """Create missing weights of the layers of ``model`` by calling it on symbolic inputs.

    Args:
        model: a subclassed model.
        inputs: a structure of ``Spec`` as the model takes it.
    """
    if is_keras2(model):
        import tf_keras

        symbols = map_structure(
            inputs, lambda one: tf_keras.Input(batch_shape=one.shape, dtype=one.dtype)
        )
        tf_keras.Model(flatten(symbols), model(symbols))
        model._inbound_nodes.clear()
        return
    import keras
    from keras.src import backend

    symbols = map_structure(inputs, lambda one: keras.KerasTensor(one.shape, dtype=one.dtype))
    backend.compute_output_spec(lambda images: model(images, training=False), symbols)


def train(model: Any, values: list[tuple[Any, Any]], images: Any) -> tuple[Any, list[Any]]:
    """Call ``model`` in training mode inside a function that is being traced.

    Returns:
        Its outputs, and what to differentiate them with respect to.
    """
    if is_keras2(model):
        return _keras2_call(model, images, training=True), list(model.trainable_variables)
    import keras

    with keras.StatelessScope(values, initialize_variables=False):
        outputs = model(images, training=True)
    trained = {id(variable) for variable in model.trainable_variables}
    return outputs, [value for variable, value in values if id(variable) in trained]


def _keras2_call(model: Any, images: Any, training: bool) -> Any:
    takes = "training" in signature(model.call).parameters
    return model(images, **({"training": training} if takes else {}))


def set_shapes(layer: Any, inputs: Any, outputs: list[Any]) -> None:
    """Set unknown shapes of outputs to the shapes that the layer declares.

    The outputs of a Python function inside a layer, for example, have no shape.
    """
    if all(not is_tensor(output) or output.shape.rank is not None for output in outputs):
        return
    base = operation_class(True) if is_keras2(layer) else _keras3_layer()
    if type(layer).compute_output_shape is not base.compute_output_shape:
        shapes = layer.compute_output_shape(map_structure(inputs, lambda one: tuple(one.shape)))
        declared = [shapes] if isinstance(shapes, tuple) else shapes
    elif getattr(type(layer), "compute_output_spec", None) is not getattr(
        base, "compute_output_spec", None
    ):
        import keras

        symbols = map_structure(
            inputs, lambda one: keras.KerasTensor(tuple(one.shape), dtype=one.dtype.name)
        )
        declared = [spec.shape for spec in flatten(layer.compute_output_spec(symbols))]
    else:
        return
    for output, shape in zip(outputs, declared, strict=True):
        output.set_shape(tuple(shape))


def _keras3_layer() -> Any:
    import keras

    return keras.layers.Layer
