"""Wrapping a network layer by layer, so that what the toolkit does not know stays as it is.

Its own functions for whole models stop at the first layer that they do not know: a Rescaling, a
BatchNormalization without a convolution before it, an operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cnnbench.errors import JobFailed, Unavailable, explained, is_out_of_memory


@dataclass
class Left:
    """Layers with weights that a step left as they were."""

    layers: dict[str, list[str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)

    def note(self, layer: Any, step: str) -> None:
        """``layer`` was left alone by ``step``; layers without a kernel have nothing to treat."""
        if has_kernel(layer):
            self.layers.setdefault(step, []).append(layer.name)
            self.kinds[type(layer).__name__] += 1

    def add(self, other: Left) -> None:
        """Take over the notes of ``other``."""
        for step, names in other.layers.items():
            self.layers.setdefault(step, []).extend(names)
        self.kinds.update(other.kinds)


def has_kernel(layer: Any) -> bool:
    """Whether a layer has a weight of two axes or more: a convolution's or a product's."""
    return any(len(weight.shape) > 1 for weight in layer.weights)


def cloned(model: Any, wrap: Callable[[Any], Any]) -> Any | None:
    """A copy of ``model`` with its weights, each layer passed through ``wrap``.

    Returns:
        None where no layer was changed.

    Raises:
        Unavailable: the toolkit, or Keras' copying, does not take the network.
    """
    import tensorflow as tf

    changed = []

    def wrapped(layer: Any) -> Any:
        new = wrap(layer)
        if new is not layer:
            changed.append(layer.name)
        return new

    with refusals():
        copy = tf.keras.models.clone_model(model, clone_function=wrapped)
    return copy if changed else None


def fresh(model: Any) -> Any:
    """A copy of ``model`` that shares no layer with another model.

    What is left when wrappers are taken off still hangs in the models that it was in before, and
    a layer's readers could not be told from its former ones.
    """
    import tensorflow as tf

    with refusals():
        copy = tf.keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    return copy


@contextmanager
def refusals() -> Iterator[None]:
    """What the toolkit raises while it wraps a network, as one line."""
    try:
        yield
    except (Unavailable, JobFailed):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        words = explained(error)
        raise Unavailable(f"the model-optimization toolkit refuses it: {words}") from error
