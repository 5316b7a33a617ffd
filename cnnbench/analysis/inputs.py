"""Input specifications of a network: its own inputs, or a requested shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.errors import UserError
from cnnbench.text import shape_text

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Spec:
    """The shape of one input, its batch axis included, and the name of its type."""

    shape: Shape
    dtype: str = "float32"


def wanted_inputs(model: Any, input_shape: Sequence[int] | None) -> Any:
    """Return the inputs of ``model`` as ``Spec``, in the structure that it takes.

    Raises:
        UserError: the shapes are not known, or the one that is asked for does not fit.
    """
    given = tuple(input_shape) if input_shape is not None else None
    declared = _declared(model)
    if declared is None:
        if given is None:
            raise UserError(
                f"the input shape of '{model.name}' is unknown: it has not been built",
                hint="give --input-shape, or call the model once",
            )
        declared = Spec((None, *given))
    flat = keras_api.flatten(declared)
    if given is not None:
        if len(flat) > 1:
            raise UserError(
                f"'{model.name}' has {len(flat)} inputs; --input-shape can set only one",
                hint="build the model with the input shapes that you want",
            )
        _check_rank(model, flat[0].shape, given)
        return keras_api.map_structure(
            declared, lambda spec: Spec((spec.shape[0], *given), spec.dtype)
        )
    for spec in flat:
        if None in spec.shape[1:]:
            raise UserError(
                f"'{model.name}' has unknown dimensions: {shape_text(spec.shape[1:])}",
                hint="give --input-shape, for example 224x224x3",
            )
    return declared


def _check_rank(model: Any, declared: Shape, given: Shape) -> None:
    expected = declared[1:]
    agrees = len(expected) == len(given) and all(
        want is None or index < len(given) - 1 or want == got
        for index, (want, got) in enumerate(zip(expected, given, strict=False))
    )
    if not agrees:
        raise UserError(
            f"'{model.name}' takes inputs like {shape_text(expected)}, not {shape_text(given)}",
            hint="the number of axes and the channels must agree",
        )


def _declared(model: Any) -> Any:
    """Return the inputs that the model itself declares, or None."""
    symbols = keras_api.input_symbols(model)
    if symbols is not None:
        return keras_api.map_structure(
            symbols, lambda symbol: Spec(keras_api.shape_of(symbol), keras_api.dtype_of(symbol))
        )
    known = keras_api.called_with(model)
    return None if known is None else _specs(known)


def _specs(shapes: Any) -> Any:
    """Nested lists and dictionaries of shapes as ``Spec`` in the same structure."""
    if isinstance(shapes, dict):
        return {name: _specs(shape) for name, shape in shapes.items()}
    if _is_shape(shapes):
        return Spec((None, *shapes[1:]))
    return [_specs(shape) for shape in shapes]


def _is_shape(value: Any) -> bool:
    return all(size is None or isinstance(size, int) for size in value)
