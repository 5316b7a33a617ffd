"""What only building a network tells, found out in a child of the worker.

Building starts TensorFlow; a probe that sets its threads or its allocator must come before that.
"""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from typing import Any

from cnnbench.core.errors import CnnbenchError, JobFailed, Unavailable


def settled(subject: Any) -> Any:
    """``subject`` with its input shape and its classes.

    Raises:
        Unavailable: not a network of one image of known size, which alone can be run.
        JobFailed: it cannot be built.
    """
    if subject.input_shape and subject.classes:
        return subject
    answer = _in_a_child(subject)
    if "interface" not in answer:
        raise Unavailable(answer["skipped"]) if "skipped" in answer else JobFailed(answer["failed"])
    shape, classes = answer["interface"]
    return subject.with_interface(tuple(shape), classes)


def _in_a_child(subject: Any) -> dict[str, Any]:
    """Fork, build there, and read what the child found, as JSON."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with os.fdopen(theirs, "w") as stream:
                json.dump(_answer(subject), stream)
        finally:  # never back into the worker's own code
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as stream:
        text = stream.read()
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(ValueError):
        answer: dict[str, Any] = json.loads(text)
        return answer
    ending = os.waitstatus_to_exitcode(status)
    return {"failed": f"{subject.label} cannot be built: its process ended with {ending}"}


def _answer(subject: Any) -> dict[str, Any]:
    from cnnbench.models import weightless

    try:
        return {"interface": weightless.interface(subject)}
    except Unavailable as error:
        return {"skipped": str(error)}
    except CnnbenchError as error:
        return {"failed": str(error)}
    except BaseException as error:  # a builder is the user's code: it raises what it likes
        traceback.print_exc()
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return {"failed": f"{subject.label} cannot be built: {words}"}
