"""Build networks without allocating weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from math import prod
from typing import Any

from cnnbench.environment import keras_backend

SMALL = 16


@contextmanager
def weightless() -> Iterator[None]:
    """Build models without allocating weights; shapes and counts are available.

    Works for the Keras generation of this process. The model must also be used inside the block.

    Raises:
        UserError: Keras does not run on TensorFlow.
    """
    keras_backend.check_here()
    import tensorflow as tf

    if tf.keras.Model.__module__.startswith("tf_keras"):
        with tf.variable_creator_scope(_unallocated):
            yield
    else:
        import keras

        # Without the argument, leaving the scope initialises every weight after all.
        with (
            _forget_uninitialised(),
            _values_as_initialisers(),
            keras.StatelessScope(initialize_variables=False),
        ):
            yield


@contextmanager
def _values_as_initialisers() -> Iterator[None]:
    """Wrap a value in an initialiser, which Keras 3 requires for variables in a stateless scope."""
    import keras

    plain = keras.Variable.__init__

    @wraps(plain)
    def made(variable: Any, initializer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> None:
        if callable(initializer) or isinstance(initializer, str):
            plain(variable, initializer, shape, *args, **kwargs)
            return
        value = keras.ops.convert_to_tensor(initializer)

        def initialise(shape: Any, dtype: Any = None) -> Any:
            return keras.ops.cast(value, dtype or value.dtype)

        if not args:
            kwargs.setdefault("dtype", keras.backend.standardize_dtype(value.dtype))
        plain(variable, initialise, tuple(value.shape), *args, **kwargs)

    keras.Variable.__init__ = made
    try:
        yield
    finally:
        keras.Variable.__init__ = plain


@contextmanager
def _forget_uninitialised() -> Iterator[None]:
    """Forget weights without a value, which Keras 3 keeps to initialise them in the next scope.

    Otherwise any later scope, such as one in a recurrent layer, would allocate every network that
    was counted.
    """
    from keras.src.backend.common import global_state

    name = "uninitialized_variables"
    before = list(global_state.get_global_attribute(name) or ())
    try:
        yield
    finally:
        global_state.set_global_attribute(name, before)


def _unallocated(create: Callable[..., Any], **wanted: Any) -> Any:
    """Create a variable with a shape and no memory.

    Scalars and other small variables are allocated: ``Normalization`` reads them while it is
    built.
    """
    from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

    shape = wanted.get("shape")
    if shape is None or prod(shape) < SMALL or not callable(wanted.get("initial_value")):
        return create(**wanted)
    known = ("trainable", "shape", "dtype", "name", "synchronization", "aggregation", "constraint")
    return UninitializedVariable(**{key: wanted[key] for key in known if key in wanted})
