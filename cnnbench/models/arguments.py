"""Check the parameters in a model name against the signature of its builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnbench.errors import UserError, nearest
from cnnbench.models.catalog import Entry
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import REQUIRED, Expression, Signature
from cnnbench.named import Value, show

_MAX_SIZE = 2**14
_MAX_CLASSES = 10**6
OF_WHOLE = ("input_shape", "classes")
"""The parameters of every model that stand in the head's brackets if it has a head."""
OUTPUT = "output"
"""The parameter of every model that selects one of several outputs for classification."""


@dataclass(frozen=True)
class Choice:
    """Arguments that a model is built with.

    Attributes:
        input_shape: without the batch axis; () if unknown before building.
        classes: 0 if unknown before building.
        parameters: those that differ from the builder's defaults.
        defaults: parameters of the builder with their defaults, without `Signature.later`.
        output: path of the output with the classes; None if it is not given, or if the builder has
            a parameter of that name.
    """

    input_shape: tuple[int, ...]
    classes: int
    parameters: Mapping[str, Any]
    defaults: Mapping[str, Any]
    output: str | None = None


def choose(written: ModelName, entry: Entry, signature: Signature) -> Choice:
    """Check the parameters of ``written``, and fill in defaults.

    Raises:
        UserError: a parameter that the builder does not take, or a value of the wrong type.
    """
    given = {**dict(written.parameters), **_of_whole(written, signature)}
    output = None if OUTPUT in signature.defaults else _output(given.pop(OUTPUT, None))
    for name in given:
        if name not in signature.defaults and not (signature.open and name.isidentifier()):
            raise _not_taken(name, entry, signature)
    shape, classes = entry.input_shape, entry.classes
    if "input_shape" in given:
        shape = _shape(given.pop("input_shape"), entry)
    if "classes" in given:
        classes = _classes(given.pop("classes"), entry)
    others = {k: v for k, v in signature.defaults.items() if k not in OF_WHOLE}
    values = {name: _of_kind(name, value, others.get(name)) for name, value in given.items()}
    known = {**others, **values, "input_shape": shape or REQUIRED, "classes": classes or REQUIRED}
    missing = [
        name
        for name, default in signature.defaults.items()
        if default is REQUIRED and known[name] is REQUIRED
    ]
    if missing:
        wanted = ",".join(f"{name}=..." for name in missing)
        raise UserError(
            f"{entry.name} needs {' and '.join(missing)}", hint=f"write {entry.name}[{wanted}]"
        )
    return Choice(
        input_shape=shape,
        classes=classes,
        parameters={k: v for k, v in values.items() if k not in others or v != others[k]},
        defaults={
            k: v for k, v in others.items() if v is not REQUIRED and k not in signature.later
        },
        output=output,
    )


def _not_taken(name: str, entry: Entry, signature: Signature) -> UserError:
    taken = list(signature.defaults)
    hint = nearest(name, taken) or "it takes " + (", ".join(taken) or "no parameter")
    return UserError(f"{entry.name} takes no parameter '{name}'", hint=hint)


def _of_whole(written: ModelName, signature: Signature) -> dict[str, Value]:
    """Return the input shape and classes that a head's brackets give to the builder, if any."""
    given = dict(written.head.parameters) if written.head else {}
    return {k: v for k, v in given.items() if k in OF_WHOLE and k in signature.defaults}


def _output(value: Any) -> str | None:
    """Return the path of an output: its name, or its index in a list of outputs."""
    return None if value is None else show(value) if not isinstance(value, str) else value


def _shape(value: Any, entry: Entry) -> tuple[int, ...]:
    """Return an input shape; ``96`` and ``96x96`` get the channels of the model's own input."""
    sizes = (value, value) if type(value) is int else value
    if not isinstance(sizes, tuple) or not all(1 <= size <= _MAX_SIZE for size in sizes):
        raise UserError(
            f"{entry.name}: input_shape={show(value)} is not a shape",
            hint="write 128x128x3, 128x128 or 128",
        )
    channels = entry.input_shape[-1:] or (3,)
    return sizes if len(sizes) == 3 else sizes + channels


def _classes(value: Any, entry: Entry) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_CLASSES:
        raise UserError(
            f"{entry.name}: classes={show(value)} is not a number of classes",
            hint=f"write a whole number from 1 to {_MAX_CLASSES:,}",
        )
    return value


def _of_kind(name: str, value: Any, default: Any) -> Any:
    """Return ``value`` in the type of its default; an integer is accepted for a float."""
    if value is None and isinstance(default, str):  # classifier_activation=none gives logits
        return value
    if default is None or default is REQUIRED or isinstance(default, Expression):
        return value
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        wanted = kind.get(type(default), f"like {default!r}")
        raise UserError(f"the parameter {name}={show(value)} should be {wanted}")
    return value
