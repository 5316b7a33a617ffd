"""Build the network to be counted: by its name, or of one layer that is written as text."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from cnnbench.analysis.shape_errors import full_tracebacks, reason, refusal
from cnnbench.errors import CnnbenchError, UserError, explained, nearest, plain
from cnnbench.models.model import Model
from cnnbench.models.registry import resolve
from cnnbench.text import shape_text

Shape = tuple[int, ...]


def named_model(model: Model, shape: Shape | None) -> Any:
    """Build the ``keras.Model``; call inside `weightless`.

    A network whose builder takes no ``input_shape`` is built at its own, and the analysis calls
    it on ``shape``.

    Args:
        model: as `registry.resolve` returns it.
        shape: one image, or None for the model's own input.

    Raises:
        UserError: it cannot be built, or cannot take this shape; a size that it can take is named.
    """
    own = model.input_shape
    if shape is not None and own and len(shape) != len(own):
        raise UserError(
            f"{model.label} takes inputs like {shape_text(own)}, not {shape_text(shape)}",
            "--input-shape",
        )
    can_resize = shape is not None and model.factory.takes("input_shape")
    with full_tracebacks():
        try:
            return _architecture(model, shape, can_resize)
        except Exception as error:  # a user's builder can raise anything
            if shape is not None and can_resize and not _is_clear(error):
                raise refusal(
                    model.label,
                    shape,
                    error,
                    lambda other: model.architecture(input_shape=other),
                ) from error
            if isinstance(error, CnnbenchError):
                raise
            raise UserError(f"{model.label} cannot be built: {explained(error)}") from error


def _architecture(model: Model, shape: Shape | None, can_resize: bool) -> Any:
    """Return the network; a subclassed one without an input of its own is called on ``shape``."""
    try:
        return model.architecture(input_shape=shape if can_resize else None)
    except UserError:
        if shape is None or can_resize or "[" in model.text or model.is_trained:
            raise
    text = f"{model.text}[input_shape={shape_text(shape)}]"
    return resolve(text, (Path.cwd(),)).architecture()


def _is_clear(error: Exception) -> bool:
    """Return whether it is an error of this package that was not caused by Keras."""
    return isinstance(error, CnnbenchError) and error.__cause__ is None


def one_layer_model(text: str, input_shape: tuple[int, ...]) -> Any:
    """Return a model that applies the layer ``text`` to an input of ``input_shape``.

    The text is parsed, never run: a class of ``keras.layers`` with literal arguments; strings need
    no quotes (``padding=same``).

    Raises:
        UserError: not a layer, arguments that it does not take, or an input that it cannot take.
    """
    import tensorflow as tf

    name, args, kwargs = _parse(text)
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


def _parse(text: str) -> tuple[str, list[Any], dict[str, Any]]:
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
