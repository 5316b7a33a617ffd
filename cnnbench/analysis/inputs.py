"""The input shapes for which a network is counted: its own, or the one asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.core.errors import UserError

Shape = tuple[int | None, ...]


def is_known(shape: Shape) -> bool:
    """Whether every size but that of the batch is known."""
    return None not in shape[1:]


def input_shapes(model: Any, own: Any, input_shape: Sequence[int] | None) -> list[Shape]:
    """The shape of every input with an open batch axis, all other sizes known."""
    given = tuple(input_shape) if input_shape is not None else None
    declared = _declared_shapes(model, own)
    if not declared:
        if given is None:
            raise UserError(
                f"the input shape of '{model.name}' is unknown: it has not been built",
                hint="give --input-shape, or call the model once",
            )
        declared = [(None, *given)]
    if given is not None:
        if len(declared) > 1:
            raise UserError(
                f"'{model.name}' has {len(declared)} inputs; --input-shape can set only one",
                hint="build the model with the sizes that are wanted",
            )
        _check_rank(model, declared[0], given)
        return [(None, *given)]
    for shape in declared:
        if not is_known(shape):
            raise UserError(
                f"'{model.name}' has unknown dimensions: {shape}",
                hint="say which with --input-shape, for example 224x224x3",
            )
    return [(None, *shape[1:]) for shape in declared]


def _check_rank(model: Any, declared: Shape, given: Shape) -> None:
    expected = declared[1:]
    agrees = len(expected) == len(given) and all(
        want is None or index < len(given) - 1 or want == got
        for index, (want, got) in enumerate(zip(expected, given, strict=False))
    )
    if not agrees:
        raise UserError(
            f"'{model.name}' takes inputs like {spell(expected)}, not {spell(given)}",
            hint="the number of axes and the channels must agree",
        )


def spell(shape: Iterable[int | None]) -> str:
    """``224x224x3``; a question mark for what is unknown."""
    return "x".join("?" if size is None else str(size) for size in shape)


def _declared_shapes(model: Any, own: Any) -> list[Shape]:
    """What the model itself knows of its input shapes; empty where it knows nothing."""
    if own is not None:
        return [keras_api.shape_of(tensor) for tensor in own.inputs]
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    found = list(shapes.values()) or [getattr(model, "_build_input_shape", None)]
    if len(found) == 1 and _is_shape(found[0]):
        return [tuple(found[0])]
    return [tuple(shape) for shape in found if _is_shape(shape)]


def _is_shape(value: Any) -> bool:
    return hasattr(value, "__len__") and all(
        size is None or isinstance(size, int) for size in value
    )
