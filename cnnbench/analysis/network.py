"""List the operations of a network: from its layers if all are known, else from a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.graph import Graph
from cnnbench.analysis.inputs import Spec
from cnnbench.analysis.lower import lower
from cnnbench.analysis.misfit import full_tracebacks, refusal
from cnnbench.analysis.trace import trace
from cnnbench.analysis.walk import NotListed, walk
from cnnbench.core.errors import UserError


def operations(model: Any, inputs: Any) -> Graph:
    """List the operations of ``model``, from its layers if they are all known.

    Args:
        model: a Keras 2 or Keras 3 model, alive (inside ``weightless()`` if it was built there).
        inputs: what it is called with, as ``Spec`` in its structure.

    Raises:
        UserError: it cannot take these inputs.
    """
    try:
        return walk(model, inputs)
    except NotListed:
        return traced(model, inputs)


def traced(model: Any, inputs: Any) -> Graph:
    """List the operations of ``model`` by tracing its whole inference function.

    One image is traced, or one batch if the model accepts only one batch size.

    Raises:
        UserError: it cannot take these inputs; the layer, the reason and a size that it could take
            are named.
    """
    flat = keras_api.flatten(inputs)
    fixed = next((spec.shape[0] for spec in flat if spec.shape[0]), None)
    with full_tracebacks():
        try:
            return _traced(model, inputs, 1)
        except UserError:
            raise
        except Exception as error:
            if fixed is not None and fixed > 1:
                return _traced(model, inputs, fixed)
            raise _refusal(model, inputs, flat, error) from error


def _traced(model: Any, inputs: Any, batch: int) -> Graph:
    if keras_calls.unbuilt(model):
        keras_calls.build(
            model,
            keras_api.replace(inputs, lambda spec: replace(spec, shape=(batch, *spec.shape[1:]))),
        )
    return lower(trace(model, inputs, batch), model)


def _refusal(model: Any, inputs: Any, flat: list[Spec], error: Exception) -> UserError:
    shape = tuple(size or 0 for size in flat[0].shape[1:])

    def attempt(other: tuple[int, ...]) -> None:
        if len(flat) > 1:
            raise error
        trace(model, keras_api.replace(inputs, lambda spec: replace(spec, shape=(None, *other))))

    return refusal(f"'{model.name}'", shape, error, attempt)
