"""Models whose weights are never allocated: every shape is there, not one number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench.models.model import Model


@contextmanager
def weightless(model: Model, **overrides: Any) -> Iterator[Any]:
    """Yield the ``keras.Model`` of ``model``, to be used inside the ``with`` only.

    VGG16 takes 0.03 s and no memory instead of 4 s and 2 GB. ``overrides`` are those of
    `Model.build` (``input_shape``, ``classes``, ``include_top``).
    """
    import tensorflow as tf

    if tf.keras.Model.__module__.startswith("tf_keras"):  # Keras 2
        with tf.Graph().as_default():
            yield model.architecture(**overrides)
    else:
        import keras

        # Without the argument, leaving the scope initialises every weight after all.
        with keras.StatelessScope(initialize_variables=False):
            yield model.architecture(**overrides)
