"""Find the input shape and classes of a model that does not state them, by building it.

It is built in a child process: building starts TensorFlow, and a probe must set threads and the
allocator before that.
"""

from __future__ import annotations

import traceback
from typing import Any

from cnnbench.errors import CnnbenchError, JobFailed, Unavailable, explained, is_out_of_memory
from cnnbench.forked import run_forked
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.named import show


def resolve_interface(model: ModelHandle) -> ModelHandle:
    """Return a copy with the input shape and classes found by building it.

    A model that states both is returned as it is.

    Raises:
        Unavailable: its input is not one image of known size; only such models can be run.
        JobFailed: it cannot be built.
        MemoryError: there is too little memory to build it.
    """
    if model.input_shape and model.classes:
        return model
    found = run_forked(lambda: _built(model))
    if not found.succeeded:
        words = f"{model.label} cannot be built: its process ended with {found.failure}"
        raise MemoryError(words) if found.evidence else JobFailed(words)
    built = found.value
    if "interface" not in built:
        raise Unavailable(built["skipped"]) if "skipped" in built else JobFailed(built["failed"])
    shape, classes = built["interface"]
    return model.with_interface(tuple(shape), classes)


def _built(model: ModelHandle) -> dict[str, Any]:
    try:
        return {"interface": _interface(model)}
    except Unavailable as error:
        return {"skipped": str(error)}
    except CnnbenchError as error:
        return {"failed": str(error)}
    except BaseException as error:  # a builder is the user's code: it raises what it likes
        if is_out_of_memory(error):
            raise
        traceback.print_exc()
        return {"failed": f"{model.label} cannot be built: {explained(error)}"}


def _interface(model: ModelHandle) -> tuple[tuple[int, ...], int]:
    """Return the input shape, ``(height, width, channels)``, and the classes."""
    from cnnbench import analysis

    with analysis.weightless():
        built = model.architecture()
        shapes = [tuple(given.shape[1:]) for given in built.inputs]
        classes = _classes(model, built)
    if len(shapes) != 1 or len(shapes[0]) != 3 or None in shapes[0]:
        inputs = " and ".join(map(show, shapes))
        raise Unavailable(
            f"only counted, not run: it takes {inputs}, not one image of a known size (HxWxC)"
        )
    return shapes[0], classes


def _classes(model: ModelHandle, built: Any) -> int:
    """Return the classes of a network: the width of its output, unless a head states them."""
    if model.classes and model.head_layers(built):
        return model.classes
    structure = output_names.of(built)
    path = output_names.chosen(structure, model.output, model.label)
    return output_names.named(structure)[path].shape[-1] or 0
