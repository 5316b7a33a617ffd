"""List the operations of a network: from its layers if all have rules, else from a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.graph import Graph
from cnnbench.analysis.inputs import Spec
from cnnbench.analysis.listing.lower import lower
from cnnbench.analysis.listing.trace import trace
from cnnbench.analysis.listing.walk import NotListed, walk
from cnnbench.analysis.shape_errors import full_tracebacks, reason, refusal
from cnnbench.errors import UserError


def operations(model: Any, inputs: Any) -> Graph:
    """List the operations of ``model``, from its layers if they all have rules.

    Args:
        model: a Keras 2 or Keras 3 model, alive (inside ``weightless()`` if it was built there).
        inputs: a structure of ``Spec`` as the model takes it.

    Raises:
        UserError: it cannot take these inputs.
    """
    try:
        return walk(model, inputs)
    except NotListed:
        return traced(model, inputs)


def traced(model: Any, inputs: Any) -> Graph:
    """List the operations of ``model`` by tracing its whole inference function.

    One image is traced, or one batch where the network takes batches of one size only.

    Raises:
        UserError: it cannot take these inputs; the layer, the reason and a size that it could take
            are named.
    """
    flat = keras_api.flatten(inputs)
    fixed = next((spec.shape[0] for spec in flat if spec.shape[0]), 1)
    failed: list[Exception] = []
    with full_tracebacks():
        for batch in dict.fromkeys((1, fixed)):
            try:
                return _traced(model, inputs, batch)
            except UserError:
                raise
            except Exception as error:  # a layer can raise anything
                failed.append(error)
        *earlier, last = failed
        for other in earlier:
            last.add_note(f"with a batch of 1: {reason(other)}")
        raise _refusal(model, inputs, flat, last, fixed) from last


def _traced(model: Any, inputs: Any, batch: int) -> Graph:
    if keras_calls.unbuilt(model):
        keras_calls.build(
            model,
            keras_api.map_structure(
                inputs, lambda spec: replace(spec, shape=(batch, *spec.shape[1:]))
            ),
        )
    return lower(trace(model, inputs, batch), model)


def _refusal(model: Any, inputs: Any, flat: list[Spec], error: Exception, batch: int) -> UserError:
    shape = tuple(size or 0 for size in flat[0].shape[1:])

    def attempt(other: tuple[int, ...]) -> None:
        if len(flat) > 1:
            raise error
        asked = keras_api.map_structure(inputs, lambda spec: replace(spec, shape=(None, *other)))
        trace(model, asked, batch)

    return refusal(f"'{model.name}'", shape, error, attempt)
