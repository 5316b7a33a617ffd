"""Trace the inference function of a whole model as one TensorFlow graph, without weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.listing.calls import Calls, recording

Values = list[tuple[Any, Any]]  # variables of Keras 3 with their values


@dataclass(frozen=True)
class Trace:
    """A traced model.

    Attributes:
        graph: the whole inference function.
        calls: its layer calls.
        images: the placeholders of its inputs, flat.
        states: placeholders of variables that inference changes, as in stateful recurrent layers.
        trained: placeholders of the trainable weights.
        batch: images per input.
    """

    graph: Any
    calls: Calls
    images: list[Any]
    states: list[Any]
    trained: list[Any]
    batch: int


def trace(model: Any, inputs: Any, batch: int = 1) -> Trace:
    """Trace ``model`` at inference on a batch of images.

    Weights are inputs of the graph; otherwise the initialiser of a weight that was never allocated
    would be part of it.

    Args:
        model: a Keras 2 or Keras 3 model.
        inputs: a structure of ``Spec`` as the model takes it.
        batch: images in the batch.
    """
    changed: list[int] = []

    def infer(values: Values, images: Any) -> Any:
        with converting():
            outputs, changed[:] = keras_calls.infer(model, values, images)
        return [output for output in keras_api.flatten(outputs) if output is not None]

    with keras_api.without_warnings(), recording(keras_api.is_keras2(model)) as calls:
        graph, images = traced_graph(infer, model, inputs, batch)
    states = [graph.inputs[place] for place in changed]
    return Trace(graph, calls, images, states, keras_calls.trained_inputs(model, graph), batch)


def traced_graph(
    function: Callable[[Values, Any], Any], model: Any, inputs: Any, batch: int
) -> tuple[Any, list[Any]]:
    """Trace ``function`` of the variables of ``model`` with their values, and of its inputs.

    Args:
        function: calls the model.
        model: a Keras 2 or Keras 3 model.
        inputs: a structure of ``Spec`` as the model takes it.
        batch: images in the batch.

    Returns:
        The graph, and the placeholders of the inputs, flat.
    """
    import tensorflow as tf

    variables = keras_calls.variables(model)
    weights, specs = keras_calls.trace_specs(model, inputs, batch)

    def run(values: list[Any], images: Any) -> Any:
        return function(list(zip(variables, values, strict=True)), images)

    with _inlined():
        graph = tf.function(run, autograph=False).get_concrete_function(weights, specs).graph
    count = len(weights)
    return graph, graph.inputs[count : count + len(keras_api.flatten(inputs))]


@contextmanager
def _inlined() -> Iterator[None]:
    """Let a called ``tf.function`` write into the graph that is being traced.

    Otherwise the trace made when its layer was built is called again, with the unknown sizes and
    the variables of that time, and without calling the layers inside.
    """
    from tensorflow.python.eager.polymorphic_function import autograph_util
    from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

    plain = Function.__call__

    @wraps(plain)
    def called(function: Any, *args: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        if tf.executing_eagerly():
            return plain(function, *args, **kwargs)
        python = function.python_function
        if function._autograph:
            options = function._experimental_autograph_options
            python = autograph_util.py_func_from_autograph(python, options)
        with converting():
            return python(*args, **kwargs)

    Function.__call__ = called
    try:
        yield
    finally:
        Function.__call__ = plain


@contextmanager
def converting() -> Iterator[None]:
    """Enable AutoGraph for functions that request it inside a function traced without it.

    In Keras 2 that is the ``call`` of every custom layer, and any function with ``tf.function``.
    """
    from tensorflow.python.autograph.core import ag_ctx, converter

    options = converter.ConversionOptions(recursive=True)
    with ag_ctx.ControlStatusCtx(status=ag_ctx.Status.ENABLED, options=options):
        yield
