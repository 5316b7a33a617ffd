"""Build networks with the default settings of Keras.

Keras reads ``keras.json`` in its folder (``KERAS_HOME``, else ``~/.keras``) when it is imported.
Its ``image_data_format`` changes every convolution that does not set one, and its ``floatx`` is the
precision of every layer. ``KERAS_HOME`` itself is kept: weights and data sets are found through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench.environment import keras_backend

FLOATX = "float32"
STANDARD = FLOATX, 1e-7, "channels_last"


def use_standard_keras(keras: Any = None) -> None:
    """Use the default settings for the rest of this process, which cnnbench started.

    Args:
        keras: the module of Keras 2 or Keras 3; by default that of ``tf.keras``.
    """
    _set(keras or _of_tensorflow(), *STANDARD, FLOATX)


@contextmanager
def standard_keras(keep_policy: bool = False) -> Iterator[None]:
    """Use the default settings inside the ``with`` block, and restore the previous ones after it.

    For a user's process, which may have its own settings and dtype policy.

    Args:
        keep_policy: keep a policy that the user has set, unlike one that follows ``floatx``.
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
