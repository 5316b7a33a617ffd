"""From a Keras model to a flatbuffer, by TensorFlow's own converter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cnnbench.errors import CnnbenchError, JobFailed, brief, is_out_of_memory
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.latency.runtimes import litert_file

Representative = Callable[[], Iterator[list[np.ndarray]]]


def convert(
    model: Any, shape: tuple[int, ...], variant: Variant, representative: Representative
) -> bytes:
    """The flatbuffer of ``model``, quantised as ``variant`` says.

    Input and output stay float32; what the converter cannot make int8 stays float.

    Args:
        model: of either Keras.
        shape: of the input, with the batch axis.
        variant: only its last step counts here.
        representative: images for the ranges of int8 activations.

    Raises:
        JobFailed: the converter's own reason, in one line; all of it goes to stderr.
    """
    import tensorflow as tf

    converter = litert_file.converter(model, shape)
    if variant.quantisation:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant.quantisation == "ptq-float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant.quantisation == "ptq-int8":
        converter.representative_dataset = representative
    try:
        flatbuffer: bytes = converter.convert()
    except CnnbenchError:  # of reading the representative images
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        print(error, file=sys.stderr)  # noqa: T201 - to the job's log
        raise JobFailed(f"the converter refuses it: {reason(error)}") from error
    return flatbuffer


def reason(error: BaseException) -> str:
    """The line of the converter's output that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line] or lines or [type(error).__name__]
    words = telling[0].rpartition("error:")[2].strip() or telling[0]
    return brief(words)
