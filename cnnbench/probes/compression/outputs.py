"""Outputs of the float32 model and of its variants: one array, or several by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.files import replace_arrays
from cnnbench.models import output_names
from cnnbench.probes.compression import paths
from cnnbench.tasks.task import Arrays

FILE = "outputs.npz"
_ONLY = "output"  # of a network with one output, which has no name


def structured(model: Any, outputs: Sequence[np.ndarray]) -> Arrays:
    """Return outputs in the structure in which ``model`` returns them: an array, or some by name.

    Args:
        model: a ``keras.Model``.
        outputs: in the order of ``tf.nest.flatten``, as a runtime returns them.
    """
    import tensorflow as tf

    found: Arrays = tf.nest.pack_sequence_as(output_names.of(model), list(outputs))
    return found


def write(outputs: Arrays, folder: Path) -> None:
    """Write the outputs of the float32 model for the test images, or what is kept of them."""
    named = outputs if isinstance(outputs, Mapping) else {_ONLY: outputs}
    arrays = {
        name: np.asarray(one, np.float32) if one.dtype.kind == "f" else one
        for name, one in named.items()
    }
    replace_arrays(folder / FILE, arrays)


def read(folder: Path) -> Arrays:
    """Read what `write` wrote.

    Raises:
        Unavailable: nothing is there.
    """
    file = paths.required(folder, FILE, "the outputs of the float32 model are missing")
    with np.load(file) as archive:
        found = {name: archive[name] for name in archive.files}
    return found.get(_ONLY, found)
