"""Wrapping of a model layer by layer with the model-optimization toolkit.

The toolkit's functions for whole models fail at the first layer they do not support (a Rescaling, a
BatchNormalization without a convolution before it, an operation). Layer by layer, such layers stay
as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cnnbench.errors import JobFailed, Unavailable, explained, is_out_of_memory


@dataclass
class SkippedLayers:
    """Layers with a kernel that a step left unchanged.

    Attributes:
        layers: step -> names of layers.
        kinds: class of a layer -> number of skipped layers.
    """

    layers: dict[str, list[str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)

    def note(self, layer: Any, step: str) -> None:
        """Add a ``layer`` that ``step`` does not support; ignored if it has no kernel."""
        if has_kernel(layer):
            self.layers.setdefault(step, []).append(layer.name)
            self.kinds[type(layer).__name__] += 1

    def add(self, other: SkippedLayers) -> None:
        """Add the layers of ``other``."""
        for step, names in other.layers.items():
            self.layers.setdefault(step, []).extend(names)
        self.kinds.update(other.kinds)


def has_kernel(layer: Any) -> bool:
    """Return whether a layer has a weight of rank two or more (of a convolution or a product)."""
    return any(len(weight.shape) > 1 for weight in layer.weights)


def wrap_layers(model: Any, wrap: Callable[[Any], Any]) -> Any | None:
    """Return a copy of ``model`` with its weights, each layer replaced by ``wrap(layer)``.

    Returns:
        None if ``wrap`` returned every layer unchanged.

    Raises:
        Unavailable: the toolkit, or Keras' cloning, does not support the model.
    """
    import tensorflow as tf

    changed = []

    def wrapped(layer: Any) -> Any:
        new = wrap(layer)
        if new is not layer:
            changed.append(layer.name)
        return new

    with unsupported():
        copy = tf.keras.models.clone_model(model, clone_function=wrapped)
    return copy if changed else None


def detached(model: Any) -> Any:
    """Return a copy of ``model`` that shares no layer with another model.

    After the toolkit has removed its wrappers, layers still belong to the wrapped model as well,
    which gives them outbound nodes that ``model`` does not have.
    """
    import tensorflow as tf

    with unsupported():
        copy = tf.keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    return copy


@contextmanager
def unsupported() -> Iterator[None]:
    """Convert any exception of the toolkit inside the block to `Unavailable`, in one line."""
    try:
        yield
    except (Unavailable, JobFailed):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = explained(error)
        raise Unavailable(
            f"the model-optimization toolkit does not support it: {reason}"
        ) from error
