"""Keras' own settings: a suite's networks are built under the standard ones.

Keras reads ``keras.json`` in its folder (``KERAS_HOME``, else ``~/.keras``) when it is imported.
Its ``image_data_format`` turns every convolution that says nothing of it into another one, its
``floatx`` is the precision of every layer. ``KERAS_HOME`` itself is left alone: weights and data
sets are found through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench.core import keras_backend

FLOATX = "float32"
STANDARD = FLOATX, 1e-7, "channels_last"


def use_standard_keras(keras: Any = None) -> None:
    """Set the standard settings for the rest of this process, which is cnnbench's own.

    Args:
        keras: the module of either generation; by default that of ``tf.keras``.
    """
    _set(keras or _of_tensorflow(), *STANDARD, FLOATX)


@contextmanager
def standard_keras(keep_policy: bool = False) -> Iterator[None]:
    """Use the standard settings inside the ``with``, and the process's own again after it.

    For a process of the user's, who may have settings and a dtype policy of his own.

    Args:
        keep_policy: leave a policy that the user has set; one that follows ``floatx`` is not his.
    """
    keras = _of_tensorflow()
    backend, policy = keras.backend, keras.mixed_precision.global_policy()
    own = backend.floatx(), backend.epsilon(), backend.image_data_format()
    is_kept = keep_policy and policy.name != own[0]
    _set(keras, *STANDARD, policy if is_kept else FLOATX)
    try:
        yield
    finally:
        _set(keras, *own, policy)


def _set(keras: Any, floatx: str, epsilon: float, image_data_format: str, policy: Any) -> None:
    keras.backend.set_floatx(floatx)
    keras.backend.set_epsilon(epsilon)
    keras.backend.set_image_data_format(image_data_format)
    # The policy follows `floatx` only until it is first asked for.
    keras.mixed_precision.set_global_policy(policy)


def _of_tensorflow() -> Any:
    keras_backend.check_here()
    import tensorflow as tf

    return tf.keras
