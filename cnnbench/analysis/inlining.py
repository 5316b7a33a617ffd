"""Trace a user's ``tf.function`` and AutoGraph code as part of the network around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def inlined() -> Iterator[None]:
    """Let a called ``tf.function`` write into the graph that is being traced.

    Otherwise the trace made when its layer was built is called again, with the unknown sizes and
    the variables of that time, and without calling the layers inside.
    """
    from tensorflow.python.eager.polymorphic_function import autograph_util
    from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

    plain = Function.__call__

    @wraps(plain)
    def called(function: Any, *args: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        if tf.executing_eagerly():
            return plain(function, *args, **kwargs)
        python = function.python_function
        if function._autograph:
            options = function._experimental_autograph_options
            python = autograph_util.py_func_from_autograph(python, options)
        with converting():
            return python(*args, **kwargs)

    Function.__call__ = called
    try:
        yield
    finally:
        Function.__call__ = plain


@contextmanager
def converting() -> Iterator[None]:
    """Enable AutoGraph for functions that request it inside a function traced without it.

    In Keras 2 that is the ``call`` of every custom layer, and any function with ``tf.function``.
    """
    from tensorflow.python.autograph.core import ag_ctx, converter

    options = converter.ConversionOptions(recursive=True)
    with ag_ctx.ControlStatusCtx(status=ag_ctx.Status.ENABLED, options=options):
        yield
