"""A traced network on disk: its graph, and beside it the values of its variables.

A round opens the very graph that ``tf.function`` made of the Keras model, without building the
model and tracing it again: seconds become tenths. Variables stay variables (nothing is frozen),
so that TensorFlow optimises and runs what it would have run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILES = _GRAPH, _VALUES, _NAMES = "graph.pb", "values.npz", "graph.json"


def trace(model: Any, shape: tuple[int, ...]) -> Any:
    """The concrete function of ``model`` in inference mode for one float32 input.

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
    # They are mapped to tensors when the graph is read; XLA refuses what would be left of them.
    mapped = {name.partition(":")[0] for name in (inputs[0], *(name for name, _, _ in captured))}
    for place in reversed(range(len(graph.node))):
        if graph.node[place].name in mapped:
            del graph.node[place]
    (folder / _GRAPH).write_bytes(graph.SerializeToString())
    (folder / _NAMES).write_text(json.dumps(names))
    np.savez(folder / _VALUES, *values)


def load(folder: Path) -> Callable[[Any], list[Any]]:
    """Read it back as a Python function to be wrapped in ``tf.function``: images -> outputs.

    The functions in the graph's library (grouped convolutions, loops, a layer's own
    ``tf.function``) become known to this process as they are, so that TensorFlow runs them as it
    runs them for Keras.
    """
    import tensorflow as tf
    from tensorflow.python.eager import context

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString((folder / _GRAPH).read_bytes())
    names = json.loads((folder / _NAMES).read_text())
    with np.load(folder / _VALUES) as archive:
        values = [archive[name] for name in archive.files]
    states = _states(names["captured"], values)
    # Importing a graph hands its functions to the graph alone; they are called from outside it.
    for function in graph.library.function:
        context.context().add_function_def(function)

    # Of a name that no function of the library has: TensorFlow numbers each process's from zero.
    def run_saved_graph(images: Any) -> list[Any]:
        inside = tf.compat.v1.get_default_graph()
        fed = {
            name: inside.capture(states[place].handle if is_variable else states[place])
            for name, place, is_variable in names["captured"]
        }
        outputs: list[Any] = tf.graph_util.import_graph_def(
            graph,
            input_map={names["input"]: images, **fed},
            return_elements=names["outputs"],
            name="",
        )
        return outputs

    return run_saved_graph


def output_name(place: int) -> str:
    """Return the name of an output in a SavedModel; names are sorted as text there."""
    return f"output_{place:04d}"


def _states(captured: list[Any], values: list[np.ndarray]) -> dict[int, Any]:
    """The captured tensors by their place: variables, and constants that were captured as such."""
    import tensorflow as tf

    return {
        place: tf.Variable(values[place], trainable=False)
        if is_variable
        else tf.constant(values[place])
        for _, place, is_variable in captured
    }


def frozen(model: Any, shape: tuple[int, ...]) -> Any:
    """`trace`, with every variable turned into a constant and every call of a function inlined.

    A function that asks to be compiled by XLA is inlined by no optimiser (Keras wraps grouped
    convolutions in one), so the trace runs it where it is called. Loops and conditionals stay.
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
    """Write `trace` as a SavedModel, without Keras' objects: walking them takes longest.

    Its outputs are called by their place, as `output_name` says.
    """
    import tensorflow as tf

    def answer(images: Any) -> dict[str, Any]:
        outputs = tf.nest.flatten(model(images, training=False))
        return {output_name(place): output for place, output in enumerate(outputs)}

    concrete = _traced(answer, shape)
    holder = tf.Module()
    holder.state = list(concrete.graph.variables)
    holder.constants = [
        tensor for tensor, _ in concrete.graph.captures if tensor.dtype != tf.resource
    ]
    tf.saved_model.save(holder, str(folder), signatures=concrete)
