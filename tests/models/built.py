"""A network of the registry, built for looking at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench import analysis
from cnnbench.models.model import Model


@contextmanager
def weightless(model: Model, **overrides: Any) -> Iterator[Any]:
    """The ``keras.Model``, to be used inside the ``with`` only; no weight is ever allocated.

    ``overrides`` are those of `Model.build` (``input_shape``, ``classes``, ``include_top``).
    """
    with analysis.weightless():
        yield model.architecture(**overrides)
