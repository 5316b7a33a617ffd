"""Build a network by name for counting, without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench.analysis.shape_errors import full_tracebacks, refusal
from cnnbench.errors import CnnbenchError, UserError, explained
from cnnbench.models.model import Model
from cnnbench.models.registry import resolve
from cnnbench.text import shape_text

Shape = tuple[int, ...]


def build(model: Model, shape: Shape | None) -> Any:
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
