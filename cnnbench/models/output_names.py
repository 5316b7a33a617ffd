"""Outputs of a network by name, and the one that is used for classification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnnbench.errors import UserError, nearest
from cnnbench.text import shape_text


def of(model: Any) -> Any:
    """Return the symbolic outputs of a ``keras.Model``, in the structure that it returns."""
    try:
        return model.output
    except AttributeError:  # a Sequential of Keras 3 that no other model calls
        return model.outputs[0] if len(model.outputs) == 1 else model.outputs


def named(structure: Any) -> dict[str, Any]:
    """Return the leaves of nested dictionaries, lists and tuples by their path.

    ``{"box": b, "heads": [c, d]}`` gives ``box``, ``heads.0`` and ``heads.1``, in the order in
    which the network's author wrote them; a bare leaf has the empty path.
    """
    return dict(_leaves(structure, ()))


def chosen(structure: Any, wanted: str | None, label: str) -> str:
    """Return the path of the classification output: the requested one, or the first.

    Args:
        structure: what the network returns.
        wanted: a path as `named` gives it; None for the first output.
        label: the model's name in messages.

    Raises:
        UserError: it has no such output (the nearest is given).
    """
    return select(list(named(structure)), wanted, label)


def select(paths: Sequence[str], wanted: str | None, label: str) -> str:
    """Return the requested one of a network's outputs, or the first; see `chosen`."""
    if wanted is None:
        return paths[0]
    if wanted not in paths:
        if list(paths) == [""]:
            raise UserError(f"{label} has one output, which has no name", hint="omit output=")
        hint = nearest(wanted, paths) or "it has: " + ", ".join(paths)
        raise UserError(f"{label} has no output '{wanted}'", hint=hint)
    return wanted


def below(outputs: Mapping[str, Any], wanted: str | None, label: str) -> dict[str, Any]:
    """Return the outputs whose paths begin with ``wanted``, or all, in the same order.

    Args:
        outputs: of the network, by their paths.
        wanted, label: as in `chosen`.

    Raises:
        UserError: there are none (the nearest is given).
    """
    if wanted is None:
        return dict(outputs)
    known = {path: one for path, one in outputs.items() if f"{path}.".startswith(f"{wanted}.")}
    if not known:
        select(list(outputs), wanted, label)  # raises, with the nearest
    return known


def shapes_text(outputs: Mapping[str, Sequence[int | None]]) -> str:
    """Return the outputs with their shapes without the batch: ``it returns boxes (10, 4)``."""
    return "it returns " + ", ".join(
        f"{path or 'one output'} ({shape_text(shape[1:])})" for path, shape in outputs.items()
    )


def remark(structure: Any, path: str) -> str:
    """Return a sentence that names the output used; empty if there is only one.

    Args:
        structure: what the network returns.
        path: of that output; or of several, in words: ``boxes from places, classes from names``.
    """
    paths = list(named(structure))
    if len(paths) == 1:
        return ""
    if path not in paths:
        return f"of its outputs it reads {path}"
    others = ", ".join(other for other in paths if other != path)
    return f"classes are read from its output '{path}' ([output=...] selects another: {others})"


def _leaves(structure: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(structure, Mapping):
        pairs = [(str(key), value) for key, value in structure.items()]
    elif isinstance(structure, list | tuple):
        pairs = [(str(place), value) for place, value in enumerate(structure)]
    else:
        yield ".".join(path), structure
        return
    for key, value in pairs:
        yield from _leaves(value, (*path, key))
