"""Build a model of one layer that is written as text: ``Conv2D(200,5,padding=same)``."""

from __future__ import annotations

import ast
from typing import Any

from cnnbench.analysis.shape_errors import reason
from cnnbench.errors import UserError, nearest, plain
from cnnbench.text import shape_text


def one_layer_model(text: str, input_shape: tuple[int, ...]) -> Any:
    """Return a model that applies the layer ``text`` to an input of ``input_shape``.

    The text is parsed, never run: a class of ``keras.layers`` with literal arguments; strings need
    no quotes (``padding=same``).

    Raises:
        UserError: not a layer, arguments that it does not take, or an input that it cannot take.
    """
    import tensorflow as tf

    name, args, kwargs = parse(text)
    classes = {
        key: value
        for key, value in vars(tf.keras.layers).items()
        if isinstance(value, type) and issubclass(value, tf.keras.layers.Layer)
    }
    known = {plain(key): key for key in classes}.get(plain(name))
    if known is None:
        raise UserError(f"unknown layer '{name}'", "--layer", nearest(name, classes))
    inputs = tf.keras.Input(input_shape)
    try:
        return tf.keras.Model(inputs, classes[known](*args, **kwargs)(inputs), name=known.lower())
    except Exception as error:  # Keras can raise anything
        raise UserError(
            f"{text} cannot be applied to {shape_text(input_shape)}: {reason(error)}", "--layer"
        ) from error


def parse(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Return name, positional and named arguments of ``Name(1, (2, 2), key=word)``."""
    example = 'write for example "Conv2D(200,5,padding=same)"'
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if isinstance(call, ast.Name):
            return call.id, [], {}
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        named = {item.arg or "": _value(item.value) for item in call.keywords}
        return call.func.id, [_value(arg) for arg in call.args], named
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        # `ast` raises the last three for an unhashable key and for thousands of brackets.
        raise UserError(f"'{text}' is not a layer", "--layer", example) from None


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
