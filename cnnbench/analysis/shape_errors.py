"""Explain why a network cannot take an input: the layer that fails, and a size that would work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench.errors import CnnbenchError, UserError
from cnnbench.named import show

Shape = tuple[int, ...]
LARGEST = 2048


@contextmanager
def full_tracebacks() -> Iterator[None]:
    """Keep the frames that Keras removes from tracebacks; one of them has the failing layer."""
    import tensorflow as tf

    config = getattr(tf.keras, "config", None) or tf.debugging
    enabled = config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    try:
        yield
    finally:
        if enabled:
            config.enable_traceback_filtering()


def refusal(
    name: str, shape: Shape, error: BaseException, attempt: Callable[[Shape], Any]
) -> UserError:
    """Return an error that names the layer, the reason and a shape that would work.

    Args:
        name: the name of the network.
        shape: the requested shape of one image.
        error: the exception of building or calling it.
        attempt: builds or calls the network for another shape, or raises.
    """
    cause = error
    while isinstance(cause, CnnbenchError) and cause.__cause__ is not None:
        cause = cause.__cause__
    layer = _innermost_layer(cause)
    where = f" at layer '{layer.name}' ({type(layer).__name__})" if layer is not None else ""
    needed = _smallest(shape, attempt)
    hint = f"it would need {show(needed)}" if needed else ""
    return UserError(f"{name} cannot take {show(shape)}{where}: {reason(cause)}", hint=hint)


def reason(error: BaseException) -> str:
    """Return the line of an error message with the reason.

    It is the first line, or the last if TensorFlow quotes the user's code.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0] == "in user code:" else lines[0]


def _innermost_layer(error: BaseException) -> Any | None:
    """Return the layer whose method is the deepest frame of the traceback; or None."""
    import tensorflow as tf

    found = None
    step = error.__traceback__
    while step is not None:
        owner = step.tb_frame.f_locals.get("self")
        if isinstance(owner, tf.keras.layers.Layer) and not isinstance(owner, tf.keras.Model):
            found = owner
        step = step.tb_next
    return found


def _smallest(shape: Shape, attempt: Callable[[Shape], Any]) -> Shape | None:
    """Return the smallest larger shape that works, growing height and width together; or None."""
    if len(shape) < 2:
        return None

    def grown(size: int) -> Shape:
        return (*(max(side, size) for side in shape[:-1]), shape[-1])

    def works(size: int) -> bool:
        try:
            attempt(grown(size))
        except Exception:  # any failure means that this size does not work
            return False
        return True

    low = min(shape[:-1])
    high = low
    while not works(high):
        low, high = high, 2 * high
        if high > LARGEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return grown(high)
