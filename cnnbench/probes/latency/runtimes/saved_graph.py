"""A traced Keras model on disk: its graph, and the values of its variables.

A round loads the graph that ``tf.function`` traced, instead of building and tracing the model
again: tenths of a second instead of seconds. Variables stay variables (nothing is frozen), so that
TensorFlow optimises and runs the same graph as for Keras.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILES = _GRAPH, _VALUES, _NAMES = "graph.pb", "values.npz", "graph.json"


def trace(model: Any, shape: tuple[int, ...]) -> Any:
    """Return the concrete function of ``model`` in inference mode for one float32 input.

    Args:
        model: a Keras model with one input.
        shape: with the batch axis.

    Returns:
        A concrete function that returns the list of the model's outputs.
    """
    import tensorflow as tf

    return _traced(lambda images: tf.nest.flatten(model(images, training=False)), shape)


def _traced(function: Callable[[Any], Any], shape: tuple[int, ...]) -> Any:
    import tensorflow as tf

    # Keras' own code needs no AutoGraph; without it tracing takes half the time.
    traced = tf.function(function, autograph=False)
    return traced.get_concrete_function(tf.TensorSpec(shape, "float32", name="images"))


def save(concrete: Any, folder: Path) -> None:
    """Write ``concrete`` into ``folder``."""
    import tensorflow as tf

    captured: list[list[Any]] = []
    values: list[np.ndarray] = []
    position: dict[int, int] = {}
    variables = {id(variable.handle): variable for variable in concrete.graph.variables}
    for external, internal in concrete.graph.captures:
        if id(external) not in position:
            position[id(external)] = len(values)
            values.append(np.asarray(variables.get(id(external), external)))
        is_variable = external.dtype == tf.resource
        captured.append([internal.name, position[id(external)], is_variable])
    inputs = [tensor.name for tensor in concrete.inputs[: -len(captured) or None]]
    names = {
        "input": inputs[0],
        "outputs": [tensor.name for tensor in concrete.outputs],
        "captured": captured,
    }
    graph = concrete.graph.as_graph_def()
    # Tensors replace these on import; XLA rejects remaining placeholders.
    mapped = {name.partition(":")[0] for name in (inputs[0], *(name for name, _, _ in captured))}
    for index in reversed(range(len(graph.node))):
        if graph.node[index].name in mapped:
            del graph.node[index]
    (folder / _GRAPH).write_bytes(graph.SerializeToString())
    (folder / _NAMES).write_text(json.dumps(names))
    np.savez(folder / _VALUES, *values)


def load(folder: Path) -> Callable[[Any], list[Any]]:
    """Return a Python function, images -> outputs, to be wrapped in ``tf.function``.

    The functions in the graph's library (grouped convolutions, loops, a layer's own
    ``tf.function``) are registered in this process unchanged, so that TensorFlow runs them as it
    does for Keras.
    """
    import tensorflow as tf
    from tensorflow.python.eager import context

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString((folder / _GRAPH).read_bytes())
    names = json.loads((folder / _NAMES).read_text())
    with np.load(folder / _VALUES) as archive:
        values = [archive[name] for name in archive.files]
    states: dict[int, Any] = {
        index: tf.Variable(values[index], trainable=False)
        if is_variable
        else tf.constant(values[index])
        for _, index, is_variable in names["captured"]
    }
    # Importing a graph registers its functions in that graph only; they are called from outside.
    for function in graph.library.function:
        context.context().add_function_def(function)

    # No function of the library has this name: TensorFlow numbers those of each process from zero.
    def run_saved_graph(images: Any) -> list[Any]:
        inside = tf.compat.v1.get_default_graph()
        fed = {
            name: inside.capture(states[index].handle if is_variable else states[index])
            for name, index, is_variable in names["captured"]
        }
        outputs: list[Any] = tf.graph_util.import_graph_def(
            graph,
            input_map={names["input"]: images, **fed},
            return_elements=names["outputs"],
            name="",
        )
        return outputs

    return run_saved_graph


def output_name(index: int) -> str:
    """Return the name of an output in a SavedModel; names are sorted as text there."""
    return f"output_{index:04d}"


def frozen(model: Any, shape: tuple[int, ...]) -> Any:
    """Return `trace` with variables turned into constants and function calls inlined.

    No optimiser inlines a function that is to be compiled by XLA (Keras wraps grouped convolutions
    in one), so tracing runs it where it is called. Loops and conditionals stay.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    were_inlined = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        concrete = trace(model, shape)
    finally:
        tf.config.run_functions_eagerly(were_inlined)
    return convert_variables_to_constants_v2(
        concrete, lower_control_flow=False, aggressive_inlining=True
    )


def save_model(model: Any, shape: tuple[int, ...], folder: Path) -> None:
    """Write `trace` as a SavedModel, without Keras' objects, whose traversal takes longest.

    Outputs are named by `output_name`.
    """
    import tensorflow as tf

    def named_outputs(images: Any) -> dict[str, Any]:
        outputs = tf.nest.flatten(model(images, training=False))
        return {output_name(index): output for index, output in enumerate(outputs)}

    concrete = _traced(named_outputs, shape)
    holder = tf.Module()
    holder.state = list(concrete.graph.variables)
    holder.constants = [
        tensor for tensor, _ in concrete.graph.captures if tensor.dtype != tf.resource
    ]
    tf.saved_model.save(holder, str(folder), signatures=concrete)
