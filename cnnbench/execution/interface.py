"""What only building a network tells, found out in a child of the worker.

Building starts TensorFlow; a probe that sets its threads or its allocator must come before that.
"""

from __future__ import annotations

import traceback
from typing import Any

from cnnbench.errors import CnnbenchError, JobFailed, Unavailable, explained, is_out_of_memory
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.models.model_name import show
from cnnbench.probes.memory import limited


def settled(subject: ModelHandle) -> ModelHandle:
    """``subject`` with its input shape and its classes.

    Raises:
        Unavailable: not a network of one image of known size, which alone can be run.
        JobFailed: it cannot be built.
        MemoryError: there is too little memory to build it.
    """
    if subject.input_shape and subject.classes:
        return subject
    found = limited.attempt(lambda: _answer(subject), None)
    if not found.ended_well:
        words = f"{subject.label} cannot be built: its process ended with {found.ending}"
        raise MemoryError(words) if found.evidence else JobFailed(words)
    answer = found.value
    if "interface" not in answer:
        raise Unavailable(answer["skipped"]) if "skipped" in answer else JobFailed(answer["failed"])
    shape, classes = answer["interface"]
    return subject.with_interface(tuple(shape), classes)


def _answer(subject: ModelHandle) -> dict[str, Any]:
    try:
        return {"interface": _interface(subject)}
    except Unavailable as error:
        return {"skipped": str(error)}
    except CnnbenchError as error:
        return {"failed": str(error)}
    except BaseException as error:  # a builder is the user's code: it raises what it likes
        if is_out_of_memory(error):
            raise
        traceback.print_exc()
        return {"failed": f"{subject.label} cannot be built: {explained(error)}"}


def _interface(subject: ModelHandle) -> tuple[tuple[int, ...], int]:
    """The input shape, ``(height, width, channels)``, and the classes."""
    from cnnbench import analysis

    with analysis.weightless():
        built = subject.architecture()
        shapes = [tuple(given.shape[1:]) for given in built.inputs]
        structure = output_names.of(built)
        path = output_names.chosen(structure, subject.output, subject.label)
        classes = output_names.named(structure)[path].shape[-1] or 0
    if len(shapes) != 1 or len(shapes[0]) != 3 or None in shapes[0]:
        inputs = " and ".join(map(show, shapes))
        raise Unavailable(
            f"only counted, not run: it takes {inputs}, not one image of a known size (HxWxC)"
        )
    return shapes[0], classes
